//! `picket verify`.

use super::{await_reply, holder_ended};
use crate::agent::protocol::{Reply, Request};
use crate::agent::session::{Gone, Session};
use crate::cli::VerifyArgs;
use crate::error::{Exit, Failure};
use crate::files::{self, Access};
use crate::output::{Output, table};
use crate::qr::Code;
use crate::rows::VerifyRow;
use std::path::Path;

/// Shows what is to be compared with a member, or how it stands with all of them; keeps that it was compared.
///
/// # Errors
/// Usage for a name that is no member's; [`Exit::Dead`] when what `--against` gives is not the same.
pub async fn verify(args: VerifyArgs, out: Output) -> Result<Exit, Failure> {
    let home = super::unlock(&args.home)?;
    let mut session = Session::open(&home, &[], &out).await?;
    let outcome = run(&args, &mut session, &out).await;
    session.close().await?;
    outcome
}

async fn run(args: &VerifyArgs, session: &mut Session, out: &Output) -> Result<Exit, Failure> {
    let mut rows = ask(session, out, Request::Verify(args.member.clone())).await?;
    if args.member.is_none() {
        return list(&rows, out);
    }
    let Some(mut row) = rows.pop() else { return Err(Failure::internal("no answer about one member")) };
    if let Some(text) = &args.against {
        against(&row, text)?;
    }
    if args.confirm {
        let request = Request::Confirm { member: row.member.clone(), sha256: row.sha256.clone() };
        row = ask(session, out, request).await?.pop().unwrap_or(row);
    }
    let code = Code::of(&row.qr)?;
    if let Some(path) = &args.image {
        image(&code, path)?;
    }
    out.object(&row)?;
    out.say(&page(&row, args, &code))?;
    Ok(Exit::Done)
}

async fn ask(session: &mut Session, out: &Output, request: Request) -> Result<Vec<VerifyRow>, Failure> {
    session.ask(request).await.map_err(|Gone| holder_ended())?;
    let mut rows = Vec::new();
    await_reply(session, out, |reply| match reply {
        Reply::Verify { members, more } => {
            rows.extend(members);
            (!more).then_some(())
        }
        _ => None,
    })
    .await?;
    Ok(rows)
}

/// All members, one a line.
fn list(rows: &[VerifyRow], out: &Output) -> Result<Exit, Failure> {
    rows.iter().try_for_each(|row| out.object(row))?;
    let cells: Vec<Vec<String>> =
        rows.iter().map(|r| vec![r.member.clone(), r.key.clone(), r.fingerprint.clone()]).collect();
    out.say(&table(&["MEMBER", "KEY", "FINGERPRINT"], &cells))?;
    Ok(Exit::Done)
}

/// The other side's words, digits or code, as they were read out or scanned.
fn against(row: &VerifyRow, text: &str) -> Result<(), Failure> {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-' && *c != ',').collect();
    let same = if squeezed.to_ascii_uppercase().starts_with("PICKET1/") {
        squeezed.eq_ignore_ascii_case(&row.qr)
    } else if squeezed.chars().all(|c| c.is_ascii_digit()) {
        squeezed == row.fingerprint.replace(' ', "")
    } else {
        squeezed.to_lowercase() == row.words.concat()
    };
    if same {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Dead,
        format!("NOT THE SAME: somebody else's keys stand in one of the two rosters as {}'s or yours", row.member),
        "nothing was confirmed; check for a slip of the tongue, then tell the authority and trust no message between you",
    ))
}

fn image(code: &Code, path: &Path) -> Result<(), Failure> {
    let bytes = match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => code.svg().into_bytes(),
        Some("png") => code.png()?,
        _ => {
            return Err(Failure::usage(
                format!("{} is neither .svg nor .png", path.display()),
                "give the image a name that ends so",
            ));
        }
    };
    files::write(path, &bytes, Access::Public)
}

/// What a person sees.
fn page(row: &VerifyRow, args: &VerifyArgs, code: &Code) -> String {
    let mut lines = vec![format!("{} (index {}): {}", row.member, row.index, row.key)];
    if let Some(change) = &row.changed {
        let verified = if change.was_verified { ", which was verified" } else { "" };
        lines.push(format!("  THE KEYS CHANGED. Before{verified}:\n    {}", change.fingerprint));
    }
    lines.push(format!("\nfingerprint of {}\n    {}", row.member, row.fingerprint));
    lines.push(format!("fingerprint of {}, yours\n    {}", row.own.member, row.own.fingerprint));
    lines.push(format!("words, the same on {}'s device", row.member));
    for line in row.words.chunks(6) {
        lines.push(format!("    {}", line.join(" ")));
    }
    lines.push(format!("roster version {}\n    {}", row.roster_version, row.roster));
    lines.push(String::new());
    lines.push(code.text());
    let next = match (args.confirm, row.key.as_str(), &args.image) {
        (true, _, _) => format!("{} is verified.", row.member),
        (false, "verified", _) => "These keys were compared before.".into(),
        (false, _, _) => format!(
            "  next: have {0} read out the words of `picket verify {1} --home …`; when they are the same:\n  `picket verify {0} --home {2} --confirm`",
            row.member,
            row.own.member,
            args.home.home.display()
        ),
    };
    lines.push(next);
    lines.join("\n")
}
