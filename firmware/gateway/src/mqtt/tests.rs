#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use rumqttc::v5::mqttbytes::v5::Publish;
use rumqttc::v5::{AsyncClient, MqttOptions};

fn uplink() -> Uplink {
    Uplink {
        id: UplinkId(0),
        name: "hq".to_owned(),
        prefix: "picket/x".to_owned(),
        state: String::new(),
        session: None,
        refused: VecDeque::new(),
        next_delivery: 0,
        abandon: Arc::default(),
        settings: Settings {
            name: "hq".to_owned(),
            host: "localhost".to_owned(),
            port: 1,
            tls: None,
            client_id: "id".to_owned(),
            prefix: "picket/x".to_owned(),
            keep_alive: core::time::Duration::from_secs(30),
            session: core::time::Duration::from_secs(60),
            window: 8,
        },
        task: Some(tokio::spawn(async {})),
    }
}

fn up(uplink: &mut Uplink, max_packet: usize) -> rumqttc::v5::EventLoop {
    let (client, machine) = AsyncClient::new(MqttOptions::new("id", "localhost", 1), 8);
    assert_eq!(uplink.take(What::Up { client, max_packet, receive_max: None }), Some(Told::Up));
    assert_eq!(uplink.state(), "up");
    machine
}

fn publish(uplink: &mut Uplink, id: u64) {
    uplink.publish(PublishId(id), &[0xAB; 16], vec![0; 100], false, Duration::from_secs(60));
}

fn acknowledged(uplink: &mut Uplink, packet: u16, reason: PubAckReason) -> Option<Told> {
    uplink.take(What::Acknowledged(packet, reason))
}

#[tokio::test]
async fn packet_ids_are_matched_in_the_order_of_publishing_and_acknowledged_in_any() {
    let mut uplink = uplink();
    let _machine = up(&mut uplink, usize::MAX);
    for id in [70, 71, 72] {
        publish(&mut uplink, id);
    }
    for packet in [1, 2, 3] {
        assert_eq!(uplink.take(What::Assigned(packet)), None);
    }
    assert_eq!(acknowledged(&mut uplink, 3, PubAckReason::Success), Some(Told::Published(PublishId(72), true)));
    let nobody = acknowledged(&mut uplink, 1, PubAckReason::NoMatchingSubscribers);
    assert_eq!(nobody, Some(Told::Published(PublishId(70), false)));
    assert_eq!(acknowledged(&mut uplink, 9, PubAckReason::Success), None, "never sent");
    let refused = acknowledged(&mut uplink, 2, PubAckReason::QuotaExceeded);
    assert_eq!(refused, Some(Told::Published(PublishId(71), false)), "refused counts as nobody");
}

#[tokio::test]
async fn a_packet_id_still_in_use_waits_for_its_acknowledgement() {
    let mut uplink = uplink();
    let _machine = up(&mut uplink, usize::MAX);
    for id in [1, 2] {
        publish(&mut uplink, id);
    }
    uplink.take(What::Assigned(5));
    uplink.take(What::Collided(5));
    assert_eq!(acknowledged(&mut uplink, 5, PubAckReason::Success), Some(Told::Published(PublishId(1), true)));
    uplink.take(What::Assigned(5));
    assert_eq!(acknowledged(&mut uplink, 5, PubAckReason::Success), Some(Told::Published(PublishId(2), true)));
}

#[tokio::test]
async fn what_was_under_way_is_forgotten_with_the_connection() {
    let mut uplink = uplink();
    let machine = up(&mut uplink, usize::MAX);
    publish(&mut uplink, 1);
    uplink.take(What::Assigned(1));
    let told = uplink.take(What::Arrived(Publish::new("t", QoS::AtLeastOnce, vec![7], None)));
    assert_eq!(told, Some(Told::Arrived(DeliveryId(0), vec![7])));
    assert_eq!(uplink.take(What::Down("gone".to_owned())), Some(Told::Down("gone".to_owned())));
    assert_eq!(uplink.state(), "down: gone");
    drop(machine);
    publish(&mut uplink, 2); // nobody to give it to
    let _machine = up(&mut uplink, usize::MAX);
    assert_eq!(acknowledged(&mut uplink, 1, PubAckReason::Success), None);
    uplink.settle(DeliveryId(0)); // of the connection before: the broker delivers it again
    publish(&mut uplink, 3);
    uplink.take(What::Assigned(1));
    assert_eq!(acknowledged(&mut uplink, 1, PubAckReason::Success), Some(Told::Published(PublishId(3), true)));
}

#[tokio::test]
async fn what_the_broker_would_not_take_is_answered_at_once() {
    let mut uplink = uplink();
    let _machine = up(&mut uplink, 150);
    publish(&mut uplink, 1);
    assert_eq!(uplink.take_refused(), Some(PublishId(1)));
    assert_eq!(uplink.take_refused(), None);
}

#[tokio::test]
async fn topics_are_hex_under_the_prefix() {
    let name = [0, 1, 0x2F, 0xF0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
    assert_eq!(uplink().topic(&name), "picket/x/00012ff00405060708090a0b0c0d0eff");
}

/// A client with room for 8 requests that is never driven.
#[tokio::test]
async fn publishes_wait_for_their_turn_and_acknowledgements_pass() {
    let mut uplink = uplink();
    let (client, _machine) = AsyncClient::new(MqttOptions::new("id", "localhost", 1), 8);
    uplink.take(What::Up { client, max_packet: usize::MAX, receive_max: Some(4) });
    for id in 0..40 {
        publish(&mut uplink, id);
    }
    let arrived = uplink.take(What::Arrived(Publish::new("t", QoS::AtLeastOnce, vec![7], None)));
    assert_eq!(arrived, Some(Told::Arrived(DeliveryId(0), vec![7])));
    uplink.settle(DeliveryId(0));
    assert_eq!(uplink.state(), "up");
    for id in 0..37 {
        // Three at once (one below what the broker allows), the next one with each PUBACK; the client drains none, so
        // its eight places bound this: 3 publishes, 1 acknowledgement, 4 more publishes.
        if id == 5 {
            assert!(uplink.session.is_none(), "the ninth request found no room");
            return;
        }
        assert!(uplink.session.is_some(), "{id}");
        uplink.take(What::Assigned(1));
        assert_eq!(acknowledged(&mut uplink, 1, PubAckReason::Success), Some(Told::Published(PublishId(id), true)));
    }
    panic!("more was handed over than may be under way");
}

#[tokio::test]
async fn a_connection_that_takes_no_more_is_given_up_once_and_really_ends() {
    let mut uplink = uplink();
    let _machine = up(&mut uplink, 1000);
    for n in 0..=session::HELD_MAX as u64 {
        uplink.publish(PublishId(n), &[0; 16], vec![1], false, Duration::from_secs(9));
    }
    assert!(uplink.session.is_some(), "held, not handed over");
    for n in 0..9 {
        uplink.publish(PublishId(n), &[0; 16], vec![1], false, Duration::from_secs(9));
    }
    assert!(uplink.session.is_none(), "nothing more is handed to it");
    uplink.abandon.notified().await;
    let again = std::time::Duration::from_millis(20);
    assert!(tokio::time::timeout(again, uplink.abandon.notified()).await.is_err(), "told once");
}
