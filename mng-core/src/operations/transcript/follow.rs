//! A conversation as it goes on.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Conversation, conversation_of, is_turn_over};
use crate::agents::sight::Sight;
use crate::agents::transcript::{Follower, Life, Request};
use crate::model::address::AgentAddress;
use crate::model::error::Result;
use crate::model::event::Events;
use crate::operations::resolve::{self, ResolvedAgent};
use crate::plugins::Ctx;

/// How often the native files are looked at: a `read` each on this machine, a round trip elsewhere.
const LOCAL_POLL: Duration = Duration::from_millis(200);
const REMOTE_POLL: Duration = Duration::from_secs(1);
/// How often one looks for new conversations, and whether the agent is still there.
const LOCAL_RESCAN: Duration = Duration::from_secs(1);
const REMOTE_RESCAN: Duration = Duration::from_secs(10);
/// After so long without a line, what is held back may be whole.
const QUIET: Duration = Duration::from_secs(1);
/// How long at most one waits before asking again whether the turn is over.
const LONGEST_WAIT: Duration = Duration::from_secs(16);
/// So many failed looks in a row end the following.
const MOST_FAILED: u32 = 3;

/// Takes a record. An error ends the following: the reader has gone.
pub type Each<'a> = dyn FnMut(Value) -> Result<()> + Send + 'a;

/// Hands out the records of a request, then each further one as soon as it is complete in the program's own
/// files, until the agent is destroyed or the future is dropped. An agent that has said nothing yet, or is
/// stopped, may go on. `warnings` hears of lines that could not be read.
///
/// # Errors
/// No agent or several match; its type has no transcript; its files cannot be read; `each` failed.
pub async fn follow(
    ctx: &Ctx,
    target: &AgentAddress,
    request: &Request,
    each: &mut Each<'_>,
    warnings: &Events,
) -> Result<()> {
    let agent = resolve::one(ctx, target).await?;
    let (conversation, sight) = conversation_of(ctx, &agent).await?;
    let mut following = Following::start(ctx, &agent, (conversation, sight), request).await?;
    following.history(each, warnings).await?;
    following.go_on(each, warnings).await
}

struct Following<'a> {
    ctx: &'a Ctx,
    agent: &'a ResolvedAgent,
    conversation: Conversation,
    sight: Sight,
    request: &'a Request,
    follower: Follower,
    lacks_header: bool,
    /// When the last bytes came, unless all that follows from their end was done.
    quiet_since: Option<Instant>,
    /// When to ask whether the turn is over, and how long to wait after that.
    ask: Option<(Instant, Duration)>,
}

impl<'a> Following<'a> {
    async fn start(
        ctx: &'a Ctx,
        agent: &'a ResolvedAgent,
        (conversation, sight): (Conversation, Sight),
        request: &'a Request,
    ) -> Result<Self> {
        let is_turn_over = matches!(conversation.life, Life::Live { is_turn_over: true });
        let follower = Follower::start(conversation.store.clone(), is_turn_over).await?;
        let lacks_header = request.has_header && request.roles.is_empty();
        // What is held back now may be whole, too.
        let quiet_since = Some(Instant::now());
        Ok(Self { ctx, agent, conversation, sight, request, follower, lacks_header, quiet_since, ask: None })
    }

    async fn history(&mut self, each: &mut Each<'_>, warnings: &Events) -> Result<()> {
        let follower = &mut self.follower;
        let mut hand_out = |record: Value| {
            follower.know(&record);
            each(record)
        };
        let reading = self.conversation.read(self.request, &mut hand_out).await?;
        self.lacks_header &= reading.count == 0;
        reading.warnings.into_iter().for_each(|warning| warnings.warning(warning));
        Ok(())
    }

    async fn go_on(&mut self, each: &mut Each<'_>, warnings: &Events) -> Result<()> {
        let is_local = self.agent.host.is_local();
        let (poll, rescan) = if is_local { (LOCAL_POLL, LOCAL_RESCAN) } else { (REMOTE_POLL, REMOTE_RESCAN) };
        let mut next_scan = Instant::now() + rescan;
        let mut failed = 0;
        loop {
            tokio::time::sleep(poll).await;
            let is_scan = Instant::now() >= next_scan;
            if is_scan {
                next_scan = Instant::now() + rescan;
            }
            let look = self.look(is_scan).await;
            if let Some(warning) = self.follower.warning() {
                warnings.warning(warning);
            }
            match look {
                Ok(Look { records, is_gone }) => {
                    failed = 0;
                    self.hand_out(records, each)?;
                    if is_gone {
                        return Ok(());
                    }
                }
                Err(error) => {
                    failed += 1;
                    if failed >= MOST_FAILED {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn look(&mut self, is_scan: bool) -> Result<Look> {
        let ResolvedAgent { host, record } = self.agent;
        let is_gone = is_scan && host.read_agent(&record.id).await?.is_none();
        if !is_gone {
            self.sight.fill(host).await?;
        }
        if is_scan && !is_gone {
            self.follower.look_for_files().await?;
        }
        let news = self.follower.news()?;
        if is_gone {
            let mut records = news.unwrap_or_default();
            records.extend(self.follower.finished());
            return Ok(Look { records, is_gone });
        }
        let now = Instant::now();
        if let Some(records) = news {
            (self.quiet_since, self.ask) = (Some(now), None);
            return Ok(Look { records, is_gone });
        }
        let mut records = Vec::new();
        if self.quiet_since.is_some_and(|since| now - since >= QUIET) {
            self.quiet_since = None;
            records = self.follower.settled();
            self.ask = self.follower.is_holding().then_some((now, QUIET));
        }
        if let Some((_, wait)) = self.ask.filter(|(at, _)| *at <= now) {
            if is_turn_over(self.ctx, host, record).await {
                // A line may have come while the state was judged, and the next turn with it.
                self.sight.fill(host).await?;
                records.extend(self.follower.news()?.unwrap_or_default());
                records.extend(self.follower.finished());
                self.ask = None;
            } else {
                self.ask = Some((now + wait, (wait * 2).min(LONGEST_WAIT)));
            }
        }
        Ok(Look { records, is_gone })
    }

    fn hand_out(&mut self, records: Vec<Value>, each: &mut Each<'_>) -> Result<()> {
        for record in records.into_iter().filter(|record| self.request.wants(record)) {
            if std::mem::take(&mut self.lacks_header) {
                each(self.follower.header())?;
            }
            each(record)?;
        }
        Ok(())
    }
}

struct Look {
    records: Vec<Value>,
    /// The agent was destroyed.
    is_gone: bool,
}
