//! The half of a wrapping key that a TPM 2.0 holds (spec §75.1): 32 bytes in an index of its non-volatile memory, which
//! are truly gone once the index is undefined, whatever flash keeps; and a counter that only goes up (§75.7).
//!
//! Built in with the feature `tpm`, which needs the library tpm2-tss. Without it everything here says so.

use crate::Draw;
use core::fmt;
use zeroize::Zeroizing;

/// Names another TPM than `/dev/tpmrm0`, in the words of tpm2-tss: `device:/dev/tpm0`, `swtpm:host=localhost,port=2321`.
pub const VARIABLE: &str = "PICKET_TPM";

/// What the TPM holds, and its indices: the secret's, and the counter's (0 none).
pub type Half = (Zeroizing<[u8; 32]>, (u32, u32));

/// Why a TPM does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TpmError {
    /// This program was built without it.
    NotBuilt,
    /// There is no TPM, or it may not be used.
    Unreachable(String),
    /// It has not what it should have: it was cleared, or this is another machine.
    Gone,
    /// It refuses.
    Refused(String),
}

impl fmt::Display for TpmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => f.write_str("this program was built without TPM support (feature `tpm`)"),
            Self::Unreachable(why) => {
                write!(f, "no TPM answers ({why}): is there a /dev/tpmrm0, and may this user open it?")
            }
            Self::Gone => f.write_str("this machine's TPM does not hold the key: another machine, or it was cleared"),
            Self::Refused(why) => write!(f, "the TPM refuses: {why}"),
        }
    }
}

impl core::error::Error for TpmError {}

/// Makes a secret and a counter in the TPM.
///
/// # Errors
/// [`TpmError`].
pub fn make(draw: Draw) -> Result<Half, TpmError> {
    inner::make(draw)
}

/// Reads the secret at its index.
///
/// # Errors
/// [`TpmError`].
pub fn read(nv: (u32, u32)) -> Result<Zeroizing<[u8; 32]>, TpmError> {
    inner::read(nv)
}

/// Undefines the indices: the secret is gone. Indices that are not there are gone already.
///
/// # Errors
/// [`TpmError`].
pub fn extinguish(nv: (u32, u32)) -> Result<(), TpmError> {
    inner::extinguish(nv)
}

/// What the counter shows.
///
/// # Errors
/// [`TpmError`].
pub fn count(nv: (u32, u32)) -> Result<u64, TpmError> {
    inner::count(nv)
}

/// Counts up by one.
///
/// # Errors
/// [`TpmError`].
pub fn count_up(nv: (u32, u32)) -> Result<(), TpmError> {
    inner::count_up(nv)
}

#[cfg(not(feature = "tpm"))]
mod inner {
    use super::{Draw, Half, TpmError, Zeroizing};

    pub(super) const fn make(_: Draw) -> Result<Half, TpmError> {
        Err(TpmError::NotBuilt)
    }

    pub(super) const fn read(_: (u32, u32)) -> Result<Zeroizing<[u8; 32]>, TpmError> {
        Err(TpmError::NotBuilt)
    }

    pub(super) const fn extinguish(_: (u32, u32)) -> Result<(), TpmError> {
        Err(TpmError::NotBuilt)
    }

    pub(super) const fn count(_: (u32, u32)) -> Result<u64, TpmError> {
        Err(TpmError::NotBuilt)
    }

    pub(super) const fn count_up(_: (u32, u32)) -> Result<(), TpmError> {
        Err(TpmError::NotBuilt)
    }
}

#[cfg(feature = "tpm")]
mod inner {
    use super::{Draw, Half, TpmError, VARIABLE, Zeroizing};
    use core::str::FromStr;
    use tss_esapi::attributes::NvIndexAttributesBuilder;
    use tss_esapi::constants::NvIndexType;
    use tss_esapi::handles::{NvIndexHandle, NvIndexTpmHandle, TpmHandle};
    use tss_esapi::interface_types::algorithm::HashingAlgorithm;
    use tss_esapi::interface_types::resource_handles::{NvAuth, Provision};
    use tss_esapi::structures::{MaxNvBuffer, NvPublicBuilder};
    use tss_esapi::{Context, Error, TctiNameConf};

    /// Indices that belong to the owner of the machine (TCG registry of reserved handles), and how many.
    const FIRST: u32 = 0x0180_0000;
    const INDICES: u32 = 0x0040_0000;
    const COUNTER_BYTES: u16 = 8;
    /// Draws of a free index before something else must be wrong.
    const TRIES: usize = 16;

    fn connect() -> Result<Context, TpmError> {
        let name = std::env::var(VARIABLE).unwrap_or_else(|_| "device:/dev/tpmrm0".to_owned());
        let conf = TctiNameConf::from_str(&name).map_err(|e| TpmError::Unreachable(e.to_string()))?;
        Context::new(conf).map_err(|e| TpmError::Unreachable(e.to_string()))
    }

    fn refused(e: Error) -> TpmError {
        TpmError::Refused(e.to_string())
    }

    fn draw_index(draw: Draw) -> Result<u32, TpmError> {
        let mut bytes = [0; 4];
        draw(&mut bytes).map_err(|e| TpmError::Refused(e.to_string()))?;
        Ok(FIRST + u32::from_be_bytes(bytes) % INDICES)
    }

    fn index(nv: u32) -> Result<NvIndexTpmHandle, TpmError> {
        NvIndexTpmHandle::new(nv).map_err(|_| TpmError::Gone)
    }

    /// The handle of a defined index; `None` where there is none.
    fn handle(tpm: &mut Context, nv: u32) -> Result<Option<NvIndexHandle>, TpmError> {
        let index = index(nv)?;
        // The library logs nothing of its own here: a missing index is an ordinary answer.
        let found = tpm.execute_without_session(|tpm| tpm.tr_from_tpm_public(TpmHandle::NvIndex(index)));
        Ok(found.ok().map(NvIndexHandle::from))
    }

    fn define(tpm: &mut Context, nv: u32, kind: NvIndexType, size: u16) -> Result<NvIndexHandle, TpmError> {
        let attributes = NvIndexAttributesBuilder::new()
            .with_owner_write(true)
            .with_owner_read(true)
            .with_auth_read(true)
            .with_auth_write(true)
            .with_no_da(true)
            .with_nv_index_type(kind)
            .build()
            .map_err(refused)?;
        let public = NvPublicBuilder::new()
            .with_nv_index(index(nv)?)
            .with_index_name_algorithm(HashingAlgorithm::Sha256)
            .with_index_attributes(attributes)
            .with_data_area_size(usize::from(size))
            .build()
            .map_err(refused)?;
        tpm.execute_with_nullauth_session(|tpm| tpm.nv_define_space(Provision::Owner, None, public)).map_err(refused)
    }

    fn define_free(
        tpm: &mut Context,
        kind: NvIndexType,
        size: u16,
        draw: Draw,
    ) -> Result<(u32, NvIndexHandle), TpmError> {
        let mut last = TpmError::Gone;
        for _ in 0..TRIES {
            let nv = draw_index(draw)?;
            if handle(tpm, nv)?.is_some() {
                continue;
            }
            match define(tpm, nv, kind, size) {
                Ok(handle) => return Ok((nv, handle)),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    pub(super) fn make(draw: Draw) -> Result<Half, TpmError> {
        let mut tpm = connect()?;
        let mut secret = Zeroizing::new([0; 32]);
        draw(secret.as_mut()).map_err(|e| TpmError::Refused(e.to_string()))?;
        let (nv, handle) = define_free(&mut tpm, NvIndexType::Ordinary, 32, draw)?;
        let data = MaxNvBuffer::try_from(secret.to_vec()).map_err(refused)?;
        tpm.execute_with_nullauth_session(|tpm| tpm.nv_write(NvAuth::NvIndex(handle), handle, data, 0))
            .map_err(refused)?;
        let (counter, handle) = define_free(&mut tpm, NvIndexType::Counter, COUNTER_BYTES, draw)?;
        tpm.execute_with_nullauth_session(|tpm| tpm.nv_increment(NvAuth::NvIndex(handle), handle)).map_err(refused)?;
        Ok((secret, (nv, counter)))
    }

    fn contents(nv: u32, size: u16) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let mut tpm = connect()?;
        let handle = handle(&mut tpm, nv)?.ok_or(TpmError::Gone)?;
        let data = tpm
            .execute_with_nullauth_session(|tpm| tpm.nv_read(NvAuth::NvIndex(handle), handle, size, 0))
            .map_err(refused)?;
        Ok(Zeroizing::new(data.to_vec()))
    }

    pub(super) fn read((nv, _): (u32, u32)) -> Result<Zeroizing<[u8; 32]>, TpmError> {
        let bytes: [u8; 32] = contents(nv, 32)?.as_slice().try_into().map_err(|_| TpmError::Gone)?;
        Ok(Zeroizing::new(bytes))
    }

    pub(super) fn extinguish((nv, counter): (u32, u32)) -> Result<(), TpmError> {
        let mut tpm = connect()?;
        for nv in [nv, counter].into_iter().filter(|nv| *nv != 0) {
            let Some(handle) = handle(&mut tpm, nv)? else { continue };
            tpm.execute_with_nullauth_session(|tpm| tpm.nv_undefine_space(Provision::Owner, handle))
                .map_err(refused)?;
        }
        Ok(())
    }

    pub(super) fn count((_, counter): (u32, u32)) -> Result<u64, TpmError> {
        let bytes: [u8; 8] = contents(counter, COUNTER_BYTES)?.as_slice().try_into().map_err(|_| TpmError::Gone)?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub(super) fn count_up((_, counter): (u32, u32)) -> Result<(), TpmError> {
        let mut tpm = connect()?;
        let handle = handle(&mut tpm, counter)?.ok_or(TpmError::Gone)?;
        tpm.execute_with_nullauth_session(|tpm| tpm.nv_increment(NvAuth::NvIndex(handle), handle)).map_err(refused)
    }
}
