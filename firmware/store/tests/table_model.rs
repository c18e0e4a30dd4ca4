//! The table against a map: any sequence of transactions, reopened at any time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;

use picket_store::testing::{CrashMedium, Cut};
use picket_store::{CommitError, RamMedium, Table, TableLimits};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<(u8, Option<u16>)>),
    Maintain,
    Sync,
    Purge,
    Reopen(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let change = (0u8..40, proptest::option::weighted(0.7, 0u16..900));
    prop_oneof![
        8 => proptest::collection::vec(change, 0..6).prop_map(Op::Commit),
        4 => Just(Op::Maintain),
        2 => Just(Op::Sync),
        1 => Just(Op::Purge),
        1 => any::<bool>().prop_map(Op::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_table_is_its_model(ops in proptest::collection::vec(op(), 1..200)) {
        let medium = CrashMedium::default();
        let mut table = Some(common::open_table(&medium).0);
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (n, op) in ops.into_iter().enumerate() {
            let open = table.as_mut().unwrap();
            match op {
                Op::Commit(changes) => {
                    let changes: Vec<_> = changes
                        .into_iter()
                        .map(|(key, len)| (vec![b'k', key], len.map(|len| vec![n as u8; usize::from(len)])))
                        .collect();
                    let borrowed: Vec<_> = changes.iter().map(|(k, v)| (k.as_slice(), v.as_deref())).collect();
                    match open.commit(&borrowed) {
                        Ok(_) => for (key, value) in changes {
                            match value {
                                Some(value) => drop(model.insert(key, value)),
                                None => drop(model.remove(&key)),
                            }
                        },
                        Err(error) => prop_assert_eq!(error, CommitError::Full),
                    }
                }
                Op::Maintain => drop(open.maintain().unwrap()),
                Op::Sync => open.sync_now().unwrap(),
                Op::Purge => open.purge(),
                Op::Reopen(closed) => {
                    let old = table.take().unwrap();
                    if closed {
                        old.close().unwrap();
                    }
                    medium.reboot(if closed { Cut::Dropped } else { Cut::Kept }, 0);
                    let (reopened, recovery) = common::open_table(&medium);
                    prop_assert_eq!(recovery.losses, vec![]);
                    table = Some(reopened);
                }
            }
        }
        let mut table = table.unwrap();
        let keys: Vec<_> = table.scan(b"k").map(|(key, len)| (key.to_vec(), len as usize)).collect();
        let expected: Vec<_> = model.iter().map(|(key, value)| (key.clone(), value.len())).collect();
        prop_assert_eq!(keys, expected);
        for (key, value) in &model {
            prop_assert_eq!(&table.get(key).unwrap().unwrap(), value);
        }
    }
}

#[test]
fn values_of_64_kib_and_transactions_of_a_mebibyte_work() {
    let (mut table, _) = Table::open(RamMedium::default(), TableLimits::default()).unwrap();
    let values: Vec<Vec<u8>> = (0..15u8).map(|n| vec![n; 65_536]).collect();
    let changes: Vec<(&[u8], Option<&[u8]>)> = values.iter().map(|v| (&v[..1], Some(v.as_slice()))).collect();
    table.commit(&changes).unwrap();
    let too_much = vec![0; 1024 * 1024];
    assert_eq!(table.commit(&[(b"x", Some(&too_much))]), Err(CommitError::TooLarge));
    assert_eq!(table.commit(&[(&[0; 201], None)]), Err(CommitError::TooLarge));
    let medium = table.close().unwrap();
    let (mut table, recovery) = Table::open(medium, TableLimits::default()).unwrap();
    assert_eq!(recovery.losses, vec![]);
    table.purge_now().unwrap();
    for value in &values {
        assert_eq!(&table.get(&value[..1]).unwrap().unwrap(), value);
    }
}

#[test]
fn a_full_table_says_so_and_still_removes() {
    let medium = CrashMedium::default();
    let (mut table, _) = common::open_table(&medium);
    let mut n = 0u16;
    while table.commit(&[(&n.to_be_bytes(), Some(&[7; 900]))]).is_ok() {
        n += 1;
    }
    assert!(n > 50);
    assert_eq!(table.commit(&[(b"more", Some(&[7; 900]))]), Err(CommitError::Full));
    for k in 0..n / 2 {
        table.commit(&[(&k.to_be_bytes(), None)]).unwrap();
    }
    table.purge_now().unwrap();
    table.commit(&[(b"more", Some(&[7; 900]))]).unwrap();
}
