//! `picket sent`.

use super::{Aim, await_reach, await_reply, from_now, holder_ended};
use crate::agent::protocol::{Reply, Request};
use crate::agent::session::{Gone, Session};
use crate::cli::SentArgs;
use crate::clockwork::human;
use crate::error::{Exit, Failure};
use crate::output::{Output, plain, table};
use crate::rows::{ContentRow, SentRow};
use tokio::time::{Duration, Instant};

/// How long the list waits for receipts that the gateway may hold.
const NEWS: Duration = Duration::from_secs(3);
/// Longest beginning of a text shown in the table.
const SHOWN: usize = 32;

/// Lists what was sent, after taking the receipts that wait at the gateway.
///
/// # Errors
/// As the exit codes say.
pub async fn sent(args: SentArgs, out: Output) -> Result<Exit, Failure> {
    let (_home, mut session) = super::open(&args.attach, &out).await?;
    let outcome = list(&mut session, &out).await;
    session.close().await?;
    outcome
}

async fn list(session: &mut Session, out: &Output) -> Result<Exit, Failure> {
    await_reach(session, Aim::Idle, Instant::now(), Some(from_now(NEWS)), |_| Ok(())).await?;
    session.ask(Request::Sent).await.map_err(|Gone| holder_ended())?;
    let mut rows: Vec<SentRow> = Vec::new();
    await_reply(session, out, |reply| match reply {
        Reply::Sent { messages, more } => {
            rows.extend(messages);
            (!more).then_some(())
        }
        _ => None,
    })
    .await?;
    rows.iter().try_for_each(|row| out.object(row))?;
    if rows.is_empty() {
        out.say("Nothing was sent from this home.")?;
    } else {
        let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
        out.say(&table(&["ID", "SENT", "TO", "PRECEDENCE", "STATE", "CONTENT", "WHY"], &cells))?;
    }
    Ok(Exit::Done)
}

fn cells(row: &SentRow) -> Vec<String> {
    let content = match &row.content {
        Some(ContentRow::Text(text)) => start(&plain(text).replace(['\n', '\t'], " ")),
        Some(ContentRow::File { name, bytes, .. }) => format!("{} ({bytes} bytes)", start(&plain(name))),
        None => "(gone)".into(),
    };
    vec![
        row.id.clone(),
        human(row.sent.as_deref()),
        row.to.clone(),
        row.precedence.clone(),
        row.state.clone(),
        content,
        row.why.clone(),
    ]
}

fn start(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.into();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}
