//! What people are told, in words, of things that happen to a home by themselves.

use picket_endpoint::Event;
use picket_wire::Index;

/// The words for an event that is not shown otherwise; `name` names a member.
pub fn words(event: &Event, name: impl Fn(Index) -> String) -> Option<String> {
    match event {
        Event::ReceivedLate { id, from } => {
            Some(format!("message {id} from {} came after its lifetime had ended; it is not shown", name(*from)))
        }
        Event::CannotOpen { id, from } => {
            Some(format!("message {id} from {} could not be opened; its sender is asked to seal it again", name(*from)))
        }
        Event::HomeRolledBack => Some(
            "keys made before are not used any more (restored, copied, or recovered); fresh ones are from now on"
                .into(),
        ),
        Event::PeerRenewed { from } => Some(format!(
            "{}'s device may have been in other hands; what it was sent until now may be known, fresh keys are used from \
             now on",
            name(*from)
        )),
        Event::Rekeyed { generation, revoked } => {
            let names: Vec<String> = revoked.iter().map(|index| name(*index)).collect();
            Some(match names.as_slice() {
                [] => format!("the network key is of generation {generation} now"),
                names => format!("{} revoked; the network key is of generation {generation} now", names.join(", ")),
            })
        }
        Event::Revoked => Some("this device is revoked: nothing more is taken from it or sent to it".into()),
        Event::State { .. }
        | Event::RosterHeard { .. }
        | Event::Received { .. }
        | Event::Attached { .. }
        | Event::Drained { .. }
        | Event::Detached { .. }
        | Event::Failed => None,
    }
}
