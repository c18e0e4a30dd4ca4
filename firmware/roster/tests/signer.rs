//! An authority whose key is elsewhere: what it signs counts only if it verifies (spec §30.14).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{START, authority, mission};
use picket_roster::{AuthorityKey, BadKey, DraftError, PublicKey, Roster, RosterDraft, Signer, SignerError};
use std::sync::Arc;

/// A token: what it says its key is, and the key it signs with.
struct Token {
    public: PublicKey,
    key: Option<AuthorityKey>,
}

impl Signer for Token {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], SignerError> {
        self.key.as_ref().ok_or(SignerError::Refused)?.signer().sign_digest(digest)
    }
}

fn with(public: PublicKey, key: Option<AuthorityKey>) -> AuthorityKey {
    AuthorityKey::with_signer(Arc::new(Token { public, key }), authority().roots().clone())
}

#[test]
fn a_token_signs_what_the_key_in_memory_would() -> Result<(), BadKey> {
    let (_, roster, _) = mission();
    let token = with(authority().public()?, Some(authority()));
    let (mut draft, ..) = mission();
    let mut same = draft.clone();
    assert_eq!(draft.sign(&token, START), same.sign(&authority(), START));
    let view = Roster::verify(roster.as_slice(), &token.public()?).unwrap();
    let own = view.stations().next().unwrap().index;
    assert_eq!(token.keyfill(&view, own, 0, None).unwrap(), authority().keyfill(&view, own, 0, None).unwrap());
    assert!(token.to_bytes().is_none(), "its key does not leave it");
    Ok(())
}

#[test]
fn a_signature_that_does_not_verify_is_never_given_out() -> Result<(), BadKey> {
    let other = AuthorityKey::generate(&[2; 32])?;
    let wrong = with(authority().public()?, Some(other));
    assert_eq!(wrong.sign(b"domain", b"message"), Err(SignerError::Wrong));
    let mut draft = RosterDraft::new("exercise", START).unwrap();
    assert_eq!(draft.sign(&wrong, START), Err(DraftError::Signer(SignerError::Wrong)));
    let silent = with(authority().public()?, None);
    assert_eq!(draft.sign(&silent, START), Err(DraftError::Signer(SignerError::Refused)));
    Ok(())
}
