//! The endpoint.

use crate::error::{BodyError, ComposeError, CreateError, ImportError, MarkReadError, OpenError};
use crate::io::{Counters, Input, Output, Random};
use crate::message::{Body, Draft, Incoming, Outgoing};
use crate::vault::{Vault, VaultError};
use alloc::vec::Vec;
use picket_roster::{DeviceSecrets, Roster, Upgrade};
use picket_wire::time::{Instant, Wall};
use picket_wire::{Index, MessageId};

/// A member's endpoint over its home in `V`. See the [crate](crate) for how it is driven.
#[derive(Debug)]
pub struct Endpoint<V> {
    vault: V,
    roster: Roster<Vec<u8>>,
    counters: Counters,
}

impl<V: Vault> Endpoint<V> {
    /// Makes a home in an empty vault, in one transaction (but for the pieces of the roster, written before it), and
    /// opens it. `keyfill` is the file's bytes; `secrets` are the device's own, made before its request (quickstart
    /// keyfills carry them: [`picket_roster::Keyfill::secrets`]). The caller erases its copies of both.
    ///
    /// # Errors
    /// [`CreateError`]; the vault is unchanged, or holds an unfinished home that `create` completes when called again.
    pub fn create(
        _vault: V,
        _secrets: &DeviceSecrets,
        _keyfill: &[u8],
        _now: Instant,
        _wall: Option<Wall>,
    ) -> Result<Self, CreateError> {
        Err(CreateError::NotAMember)
    }

    /// Opens a home.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed.
    pub fn open(_vault: V, _now: Instant, _wall: Option<Wall>) -> Result<Self, OpenError> {
        Err(OpenError::Missing)
    }

    /// Gives the vault back.
    pub fn into_vault(self) -> V {
        self.vault
    }

    /// Our own index.
    pub fn me(&self) -> Index {
        Index(0)
    }

    /// The roster in force: mission, members, gateways, D.
    pub fn roster(&self) -> &Roster<Vec<u8>> {
        &self.roster
    }

    /// Name of a station in the roster, or its number when the roster does not list it any more.
    pub fn name_of(&self, _index: Index) -> alloc::string::String {
        alloc::string::String::new()
    }

    /// Puts a roster in force: verified, of this mission, strictly newer. `Same` when it is in force already.
    ///
    /// # Errors
    /// [`ImportError`], two of which are alarms; nothing was changed.
    pub fn import_roster(&mut self, _now: Instant, _bytes: Vec<u8>) -> Result<Upgrade, ImportError> {
        Err(ImportError::NotListed)
    }

    /// Seals a message and puts it in the outbox. It is durable when this returns; then drain [`Endpoint::poll`].
    ///
    /// # Errors
    /// [`ComposeError`]; nothing was changed. A message that cannot be sealed is never sent in clear.
    pub fn compose(
        &mut self,
        _now: Instant,
        _draft: Draft,
        _random: &mut dyn Random,
    ) -> Result<MessageId, ComposeError> {
        Err(ComposeError::OutboxFull)
    }

    /// The mailbox: messages whose lifetime is not over, oldest first.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub fn inbox(&mut self, _now: Instant) -> Result<Vec<Incoming>, VaultError> {
        Ok(Vec::new())
    }

    /// One message of the mailbox, without its body.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn incoming(&mut self, _now: Instant, id: MessageId) -> Result<Incoming, BodyError> {
        Err(BodyError::NoSuchId(id))
    }

    /// Text or file of one message of the mailbox (or of one we sent, as long as its content is kept). Does not mark it
    /// read.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn body(&mut self, _now: Instant, id: MessageId) -> Result<Body, BodyError> {
        Err(BodyError::NoSuchId(id))
    }

    /// Marks a message of the mailbox read and queues its read receipt, once, durably. Again: nothing happens.
    ///
    /// # Errors
    /// [`MarkReadError`]; nothing was changed.
    pub fn mark_read(&mut self, _now: Instant, id: MessageId) -> Result<(), MarkReadError> {
        Err(MarkReadError::NoSuchId(id))
    }

    /// All messages sent, oldest first, with their states and why they wait.
    ///
    /// # Errors
    /// When the vault does not answer.
    pub fn sent(&mut self, _now: Instant) -> Result<Vec<Outgoing>, VaultError> {
        Ok(Vec::new())
    }

    /// One message sent.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn outgoing(&mut self, _now: Instant, id: MessageId) -> Result<Outgoing, BodyError> {
        Err(BodyError::NoSuchId(id))
    }

    /// Something happened. Then drain [`Endpoint::poll`].
    pub fn handle(&mut self, _now: Instant, _input: Input<'_>, _random: &mut dyn Random) {}

    /// The next thing to do or to tell; call until `None`.
    pub fn poll(&mut self, _now: Instant) -> Option<Output> {
        None
    }

    /// When [`Input::Tick`] is due if nothing else happens.
    pub fn next_wake(&self) -> Option<Instant> {
        None
    }

    /// The gateway we are attached to.
    pub fn attached(&self) -> Option<Index> {
        None
    }

    /// Receipts and messages that still wait for a gateway: while 0 there is nothing to stay connected for.
    pub fn owed(&self) -> usize {
        0
    }

    /// The vault failed: everything but opening again is refused.
    pub fn failed(&self) -> bool {
        false
    }

    /// Counters so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counters of the link of the present way.
    pub fn link_counters(&self) -> Option<picket_node::leaf::LinkCounters> {
        None
    }
}
