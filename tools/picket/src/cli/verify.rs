//! Arguments of `verify`.

use super::HomeArgs;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `verify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The authority says whose keys are whose. To know that it told both of you the same, compare: read
out the twelve words, or the fingerprint, or scan the QR code, over a way on which you know each
other (face to face, a telephone and a voice), never over Picket itself. Then --confirm.

A newer roster that gives a member other keys ends `verified`, and every command that has to do
with that member warns until you compare again.

Examples:
  picket verify --home ./m/alpha
  picket verify bravo --home ./m/alpha
  picket verify bravo --home ./m/alpha --image bravo.png
  picket verify bravo --home ./m/alpha --against \"amber canoe …\" --confirm

Exit codes: 2 no such member, 4 --against is not the same (nothing is confirmed).")]
pub struct VerifyArgs {
    /// Name of the member; without it all are listed with how they stand.
    #[arg(required_if_eq("confirm", "true"))]
    pub member: Option<String>,
    /// The home.
    #[command(flatten)]
    pub home: HomeArgs,
    /// Keep that the keys were compared and are the same.
    #[arg(long)]
    pub confirm: bool,
    /// Compare with what the other side read out or showed: its words, its fingerprint or its QR code's text.
    #[arg(long, value_name = "TEXT", requires = "member")]
    pub against: Option<String>,
    /// Also write the QR code to this file, .svg or .png.
    #[arg(long, value_name = "PATH", requires = "member")]
    pub image: Option<PathBuf>,
}
