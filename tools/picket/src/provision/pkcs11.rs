//! The authority's key in a PKCS#11 token: AK signs there and never leaves it; the roots lie in the key file under an
//! AES-256 key of the token (spec §30.14).
//!
//! ```text
//! magic 8 ‖ version 2 ‖ AK public 33 ‖ key id 16 ‖ label length 1 ‖ label ‖ nonce 12 ‖ roots 64 ‖ tag 16 ‖ SHA-256(all before)[..8]
//! ```

use super::keyring::Unlock;
use crate::error::{Exit, Failure};
use crate::passphrase::{Passphrase, Source};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use picket_roster::Roots;
use picket_roster::codec::{DecodeError, Reader};
use picket_roster::file::FileKind;
use picket_roster::{AuthorityKey, PublicKey, Signer, SignerError, sign_as};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// The key file of an authority in a token.
const FILE: FileKind = FileKind { magic: *b"PKAUTHTK", version: 1 };
/// The object identifier of P-256, as DER.
const P256: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const LABEL: &str = "picket authority";
const SUM: usize = 8;
const TAG: usize = 16;
const TAG_BITS: std::ffi::c_ulong = 128;

/// Where the PIN comes from: a file, or the terminal; never the command line.
#[derive(Clone, Debug, Default)]
pub struct Pin(pub Source);

/// A token, logged in.
pub struct Token {
    session: Mutex<Session>,
    label: String,
    id: [u8; 16],
    signing: ObjectHandle,
    wrapping: ObjectHandle,
    public: PublicKey,
}

struct KeyFile<'a> {
    public: PublicKey,
    id: [u8; 16],
    label: &'a str,
    /// What the tag covers unsealed: everything before the sealed roots.
    head: &'a [u8],
    nonce: [u8; 12],
    sealed: &'a [u8],
}

impl Pin {
    fn ask(&self, label: &str) -> Result<Passphrase, Failure> {
        self.0.ask(&format!("the token \"{label}\"")).map_err(|mut failure| {
            failure.next = failure.next.replace(
                "--passphrase-file FILE or set PICKET_PASSPHRASE_FILE",
                "--pin-file FILE or set PICKET_PIN_FILE",
            );
            failure
        })
    }
}

/// Whether these bytes begin as the key file of a token does.
pub fn is_token_file(bytes: &[u8]) -> bool {
    bytes.starts_with(&FILE.magic)
}

/// Opens the authority whose key file is `bytes`.
///
/// # Errors
/// Usage without the module, locked for a wrong PIN, damaged.
pub fn open(path: &Path, bytes: &[u8], unlock: &Unlock) -> Result<AuthorityKey, Failure> {
    let file = KeyFile::read(bytes).map_err(|e| {
        Failure::damaged(
            format!("{} is damaged: {e}", path.display()),
            "restore it from a copy; the token alone is not enough",
        )
    })?;
    let module = unlock.module.as_deref().ok_or_else(|| {
        Failure::usage(
            format!("the authority's key is in the token \"{}\"", file.label),
            "give --pkcs11 MODULE (for example /usr/lib/softhsm/libsofthsm2.so) or set PICKET_PKCS11",
        )
    })?;
    let token = Token::find(module, &file, &unlock.pin)?;
    let roots = token.open_roots(&file)?;
    Ok(token.authority(roots))
}

impl Token {
    /// Makes a new AK and a wrapping key in the token `label`.
    ///
    /// # Errors
    /// Usage for an unknown token, locked for a wrong PIN, internal when the token cannot do what is needed.
    pub fn create(module: &Path, label: &str, pin: &Pin) -> Result<Self, Failure> {
        let session = log_in(module, label, pin)?;
        let id = new_id()?;
        let both = [
            Attribute::Token(true),
            Attribute::Label(LABEL.into()),
            Attribute::Id(id.to_vec()),
            Attribute::KeyType(KeyType::EC),
        ];
        let public = [&both[..], &[Attribute::EcParams(P256.to_vec()), Attribute::Verify(true)]].concat();
        let secret = [&both[..], &for_signing()].concat();
        let made = session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &secret);
        let (public, signing) = made.map_err(|e| failed("cannot make a P-256 key", label, &e))?;
        let wrapping = wrapping_key(&session, &id, label)?;
        let public = public_of(&session, public, label)?;
        Ok(Self { session: Mutex::new(session), label: label.into(), id, signing, wrapping, public })
    }

    /// Moves an AK that was in a file into the token `label`.
    ///
    /// # Errors
    /// As [`Self::create`]; usage for a key that is in a token already.
    pub fn import(key: &AuthorityKey, module: &Path, label: &str, pin: &Pin) -> Result<Self, Failure> {
        let secret = key
            .signer()
            .secret()
            .ok_or_else(|| Failure::usage("this authority's key is in a token already", "it never leaves that one"))?;
        let session = log_in(module, label, pin)?;
        let id = new_id()?;
        let own = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::EC),
            Attribute::Token(true),
            Attribute::Label(LABEL.into()),
            Attribute::Id(id.to_vec()),
            Attribute::EcParams(P256.to_vec()),
            Attribute::Value(secret.to_vec()),
        ];
        let signing = session.create_object(&[&own[..], &for_signing()].concat());
        let signing = signing.map_err(|e| failed("does not take a key from outside", label, &e))?;
        let wrapping = wrapping_key(&session, &id, label)?;
        let public = key.signer().public();
        let token = Self { session: Mutex::new(session), label: label.into(), id, signing, wrapping, public };
        // It must sign as the key did before the file is given up.
        sign_as(&token, b"PICKET-moved", &id).map_err(|e| Failure::internal(e.to_string()))?;
        Ok(token)
    }

    fn find(module: &Path, file: &KeyFile<'_>, pin: &Pin) -> Result<Self, Failure> {
        let session = log_in(module, file.label, pin)?;
        let find = |class: ObjectClass| {
            let wanted = [Attribute::Class(class), Attribute::Id(file.id.to_vec())];
            let found = session.find_objects(&wanted).map_err(|e| failed("cannot be searched", file.label, &e))?;
            found.first().copied().ok_or_else(|| {
                Failure::damaged(
                    format!("the token \"{}\" does not hold this authority's key", file.label),
                    "insert the right token, or restore it from its copy",
                )
            })
        };
        let (signing, wrapping) = (find(ObjectClass::PRIVATE_KEY)?, find(ObjectClass::SECRET_KEY)?);
        let label = file.label.to_owned();
        Ok(Self { session: Mutex::new(session), label, id: file.id, signing, wrapping, public: file.public })
    }

    /// The key file: which key of which token, and the roots under the token's wrapping key.
    ///
    /// # Errors
    /// When the token does not encrypt.
    pub fn file(&self, roots: &Roots) -> Result<Vec<u8>, Failure> {
        let mut out = FILE.header().to_vec();
        out.extend_from_slice(&self.public.0);
        out.extend_from_slice(&self.id);
        out.push(u8::try_from(self.label.len()).map_err(|_| Failure::internal("a token's label is too long"))?);
        out.extend_from_slice(self.label.as_bytes());
        let mut nonce: [u8; 12] = picket_shell::random::bytes().map_err(|e| Failure::internal(e.to_string()))?;
        out.extend_from_slice(&nonce);
        let bytes = roots.to_bytes();
        let sealed = {
            let parameters = GcmParams::new(&mut nonce, &out, TAG_BITS.into()).map_err(|e| self.failed(&e))?;
            let session = self.session.lock().map_err(|_| Failure::internal("the token's session is gone"))?;
            session.encrypt(&Mechanism::AesGcm(parameters), self.wrapping, bytes.as_ref())
        };
        out.extend_from_slice(&sealed.map_err(|e| self.failed(&e))?);
        let sum = Sha256::digest(&out);
        out.extend_from_slice(&sum[..SUM]);
        Ok(out)
    }

    fn open_roots(&self, file: &KeyFile<'_>) -> Result<Roots, Failure> {
        let mut nonce = file.nonce;
        let parameters = GcmParams::new(&mut nonce, file.head, TAG_BITS.into()).map_err(|e| self.failed(&e))?;
        let session = self.session.lock().map_err(|_| Failure::internal("the token's session is gone"))?;
        let opened = session.decrypt(&Mechanism::AesGcm(parameters), self.wrapping, file.sealed);
        let bytes = Zeroizing::new(opened.map_err(|e| failed("does not open the authority's roots", &self.label, &e))?);
        let roots = bytes.as_slice().try_into().map(Roots::from_bytes);
        roots.map_err(|_| Failure::damaged("the authority's roots are damaged", "restore the key file from a copy"))
    }

    /// The authority that signs with this token.
    pub fn authority(self, roots: Roots) -> AuthorityKey {
        AuthorityKey::with_signer(Arc::new(self), roots)
    }

    fn failed(&self, e: &Error) -> Failure {
        failed("cannot keep the authority's roots", &self.label, e)
    }
}

impl Signer for Token {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign_digest(&self, digest: &[u8; 32]) -> Result<[u8; 64], SignerError> {
        let session = self.session.lock().map_err(|_| SignerError::Refused)?;
        let signature = session.sign(&Mechanism::Ecdsa, self.signing, digest).map_err(|_| SignerError::Refused)?;
        signature.try_into().map_err(|_| SignerError::Refused)
    }
}

impl<'a> KeyFile<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (body, sum) = bytes.split_last_chunk::<SUM>().ok_or("cut short")?;
        let rest = FILE.open(body).map_err(|e| e.to_string())?;
        if Sha256::digest(body)[..SUM] != *sum {
            return Err("its checksum is wrong".into());
        }
        let mut r = Reader::new(rest);
        let mut read = || {
            let (public, id) = (PublicKey(r.array()?), r.array()?);
            let len = usize::from(r.u8()?);
            let label = std::str::from_utf8(r.take(len)?).map_err(|_| DecodeError::Value)?;
            Ok::<_, DecodeError>((public, id, label, r.array()?))
        };
        let (public, id, label, nonce) = read().map_err(|e| e.to_string())?;
        let sealed = r.rest();
        if sealed.len() != Roots::LEN + TAG {
            return Err("another length than it should have".into());
        }
        let head = body.get(..body.len() - sealed.len()).unwrap_or_default();
        Ok(Self { public, id, label, head, nonce, sealed })
    }
}

fn new_id() -> Result<[u8; 16], Failure> {
    picket_shell::random::bytes().map_err(|e| Failure::internal(e.to_string()))
}

/// What holds for AK in a token: it signs, and nobody reads it.
fn for_signing() -> [Attribute; 4] {
    [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)]
}

fn wrapping_key(session: &Session, id: &[u8], label: &str) -> Result<ObjectHandle, Failure> {
    let made = session.generate_key(
        &Mechanism::AesKeyGen,
        &[
            Attribute::Token(true),
            Attribute::Label(LABEL.into()),
            Attribute::Id(id.to_vec()),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::ValueLen(32.into()),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ],
    );
    made.map_err(|e| failed("cannot make an AES-256 key", label, &e))
}

fn log_in(module: &Path, label: &str, pin: &Pin) -> Result<Session, Failure> {
    let unusable = |e: &dyn std::fmt::Display| {
        Failure::usage(
            format!("{} cannot be used as a PKCS#11 module: {e}", module.display()),
            "check --pkcs11; it is a shared object such as /usr/lib/softhsm/libsofthsm2.so",
        )
    };
    let context = Pkcs11::new(module).map_err(|e| unusable(&e))?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => (),
        Err(e) => return Err(unusable(&e)),
    }
    let slots = context.get_slots_with_initialized_token().map_err(|e| unusable(&e))?;
    let named =
        |slot: &cryptoki::slot::Slot| context.get_token_info(*slot).is_ok_and(|t| t.label().trim_end() == label);
    let slot = slots.into_iter().find(named).ok_or_else(|| {
        Failure::usage(
            format!("{} shows no token with the label \"{label}\"", module.display()),
            "insert it, or check --token; `softhsm2-util --show-slots` or `pkcs11-tool -L` lists tokens",
        )
    })?;
    let session = context.open_rw_session(slot).map_err(|e| failed("cannot be opened", label, &e))?;
    let secret = pin.ask(label)?;
    let text =
        std::str::from_utf8(&secret).map_err(|_| Failure::usage("the PIN is not UTF-8", "check the PIN file"))?;
    match session.login(UserType::User, Some(&AuthPin::from(text.to_owned()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Error::Pkcs11(RvError::PinIncorrect, _)) => Err(Failure::new(
            Exit::Locked,
            format!("wrong PIN for the token \"{label}\""),
            "try again with the right one; a token locks itself after a few wrong ones",
        )),
        Err(e) => {
            Err(Failure::new(Exit::Locked, format!("the token \"{label}\" does not log in: {e}"), "check the token"))
        }
    }
}

/// AK's public half as the token says it: a DER octet string around an uncompressed point, or the point itself.
fn public_of(session: &Session, key: ObjectHandle, label: &str) -> Result<PublicKey, Failure> {
    let found =
        session.get_attributes(key, &[AttributeType::EcPoint]).map_err(|e| failed("hides its key", label, &e))?;
    let point = found.into_iter().find_map(|a| if let Attribute::EcPoint(p) = a { Some(p) } else { None });
    let point = point.unwrap_or_default();
    let bare = point.strip_prefix(&[0x04, 0x41]).filter(|p| p.len() == 65).unwrap_or(&point);
    let (Some([4]), Some(x), Some(last)) = (bare.get(..1), bare.get(1..33), bare.get(64)) else {
        return Err(Failure::internal("the token gave a public key in an unknown form"));
    };
    let mut public = PublicKey([2 | last & 1; 33]);
    public.0[1..].copy_from_slice(x);
    public.check().map_err(|e| Failure::internal(format!("the token's public key: {e}")))?;
    Ok(public)
}

fn failed(what: &str, label: &str, e: &Error) -> Failure {
    Failure::new(
        Exit::Internal,
        format!("the token \"{label}\" {what}: {e}"),
        "check the token and its module, then try again",
    )
}
