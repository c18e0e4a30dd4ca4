//! Listening to rooms: the gateways learn it, and a restored home does not stay behind its own word.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::World;
use picket_endpoint::ListenError;
use picket_wire::Index;
use picket_wire::control::RoomsError;
use picket_wire::time::Duration;

const S: Duration = Duration::from_secs(1);
const OPS: Index = Index(0xC001);
const MED: Index = Index(0xC002);

fn known(world: &World, post: usize, member: usize) -> Vec<Index> {
    let me = world.members[member].endpoint.as_ref().unwrap().me();
    world.posts[post].gateway.as_ref().unwrap().rooms_of(me).to_vec()
}

// E-70.2-8
#[test]
fn a_gateway_learns_what_its_member_listens_to_and_what_it_no_longer_does() {
    let mut world = World::new(3);
    let now = world.now;
    world.endpoint(0).listen(now, &[MED, OPS, MED]).unwrap();
    world.attach(0, 0);
    world.run(S.times(3));
    assert_eq!(known(&world, 0, 0), [OPS, MED]);
    let now = world.now;
    world.endpoint(0).listen(now, &[MED]).unwrap();
    world.run(S.times(3));
    assert_eq!(known(&world, 0, 0), [MED]);
    world.restart_member(0);
    assert_eq!(world.endpoint(0).listening().unwrap(), [MED]);
    world.run(S.times(3));
    let now = world.now;
    world.endpoint(0).listen(now, &[]).unwrap();
    world.run(S.times(3));
    assert_eq!(known(&world, 0, 0), []);
}

// E-70.2-9
#[test]
fn a_restored_home_goes_above_the_word_that_the_network_remembers() {
    let mut world = World::new(4);
    let old = world.endpoint(0).vault_mut().clone();
    let now = world.now;
    for rooms in [&[OPS][..], &[OPS, MED], &[MED]] {
        world.endpoint(0).listen(now, rooms).unwrap();
    }
    world.attach(0, 0);
    world.run(S.times(3));
    assert_eq!(known(&world, 0, 0), [MED]);
    world.stop_member(0);
    world.members[0].vault = Some(old);
    world.start_member(0);
    let now = world.now;
    world.endpoint(0).listen(now, &[OPS]).unwrap();
    world.run(S.times(60));
    assert_eq!(known(&world, 0, 0), [OPS]);
}

#[test]
fn a_list_that_gateways_do_not_take_is_refused_before_anything_changes() {
    let mut world = World::new(5);
    let now = world.now;
    world.endpoint(0).listen(now, &[OPS]).unwrap();
    let many: Vec<Index> = (0xC000..0xC011).map(Index).collect();
    let refused = |world: &mut World, rooms: &[Index]| world.endpoint(0).listen(now, rooms).unwrap_err();
    assert_eq!(refused(&mut world, &many), ListenError::Rooms(RoomsError::TooMany));
    assert_eq!(refused(&mut world, &[Index(7)]), ListenError::Rooms(RoomsError::NotARoom));
    assert_eq!(world.endpoint(0).listening().unwrap(), [OPS]);
}
