//! `mng why`

use std::io;
use std::time::Duration;

use clap::Args;
use mng_core::model::duration;
use mng_core::model::printing::visible;
use mng_core::operations::resolve;
use mng_core::operations::why::{self, Why};
use mng_core::plugins::Ctx;

use crate::exit::{CliResult, ExitCode};
use crate::ui::{Cell, Out, Render, Style, Table, Ui};

/// Explain the state of an agent
///
/// Looks at the agent once more and prints every signal that its state is judged from: its value, how old
/// it is, and which one decided. Nothing is guessed: what cannot be seen makes the state UNKNOWN, with the
/// reason.
#[derive(Debug, Args)]
#[command(after_help = "$ mng why alpha\n\nSee also: list, capture")]
pub(crate) struct WhyArgs {
    /// The agent, by name, id or address
    agent: String,
}

pub(crate) async fn run(ui: &mut Ui, ctx: &Ctx, args: WhyArgs) -> CliResult {
    let agent = resolve::one(ctx, &args.agent.parse()?).await?;
    ui.result(&why::why(ctx, &agent).await?)?;
    Ok(ExitCode::SUCCESS)
}

impl Render for Why {
    fn event(&self) -> &'static str {
        "why"
    }

    fn human(&self, out: &mut Out<'_>) -> io::Result<()> {
        let state = out.paint(self.state.as_str(), Style::of_state(self.state.as_str())).into_owned();
        let waiting = self.waiting_reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let lasting = self.state_age.map(|age| format!(" for {}", human(age))).unwrap_or_default();
        out.line(format_args!(
            "{} is {state}{waiting}{lasting}: {}",
            self.agent,
            visible(&self.state_reason)
        ))?;
        out.line(format_args!("Decided by: {}", self.decided_by))?;
        out.blank()?;
        let mut table = Table::new(["", "SIGNAL", "AGE", "VALUE"]);
        for signal in &self.signals {
            let is_deciding = signal.name == self.decided_by;
            let style = if is_deciding { Style::Bold } else { Style::Plain };
            table.row([
                Cell::styled(if is_deciding { "*" } else { "" }, style),
                Cell::styled(signal.name, style),
                Cell::styled(signal.age_seconds.map(human).unwrap_or_default(), style),
                Cell::styled(signal.value.clone(), style),
            ]);
        }
        out.table(&table)
    }
}

fn human(seconds: f64) -> String {
    duration::human(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use mng_core::model::state::{AgentState, WaitingReason};
    use mng_core::operations::why::SignalView;

    use super::*;
    use crate::ui::testing::rendered;
    use crate::ui::to_json;

    fn why() -> Why {
        let signal = |name, value: &str, age_seconds| SignalView { name, value: value.into(), age_seconds };
        Why {
            agent: "alpha".into(),
            state: AgentState::Waiting,
            waiting_reason: Some(WaitingReason::Permissions),
            state_reason: "it asks a person for permission in the middle of a turn".into(),
            state_age: Some(312.4),
            decided_by: "blocked",
            signals: vec![
                signal("session", "mng-alpha ($3), by id", None),
                signal("launch", "process 4711 runs", Some(90_000.0)),
                signal("blocked", "exists", Some(312.4)),
            ],
        }
    }

    #[test]
    fn the_deciding_signal_is_marked() {
        insta::assert_snapshot!(rendered(&why()), @r"
        ---- stdout
        alpha is WAITING (PERMISSIONS) for 5m12s: it asks a person for permission in the middle of a turn
        Decided by: blocked

           SIGNAL   AGE    VALUE
           session         mng-alpha ($3), by id
           launch   1d1h   process 4711 runs
        *  blocked  5m12s  exists
        ---- stderr
        ");
        let unseen = Why {
            state: AgentState::Unknown,
            waiting_reason: None,
            state_reason: "cannot see its session: tmux did not answer".into(),
            state_age: None,
            decided_by: "session",
            ..why()
        };
        insta::assert_snapshot!(rendered(&unseen), @r"
        ---- stdout
        alpha is UNKNOWN: cannot see its session: tmux did not answer
        Decided by: session

           SIGNAL   AGE    VALUE
        *  session         mng-alpha ($3), by id
           launch   1d1h   process 4711 runs
           blocked  5m12s  exists
        ---- stderr
        ");
    }

    #[test]
    fn the_json_contract() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&why())).unwrap(), @r#"
        {
          "agent": "alpha",
          "state": "WAITING",
          "waiting_reason": "PERMISSIONS",
          "state_reason": "it asks a person for permission in the middle of a turn",
          "state_age": 312.4,
          "decided_by": "blocked",
          "signals": [
            {
              "name": "session",
              "value": "mng-alpha ($3), by id",
              "age_seconds": null
            },
            {
              "name": "launch",
              "value": "process 4711 runs",
              "age_seconds": 90000.0
            },
            {
              "name": "blocked",
              "value": "exists",
              "age_seconds": 312.4
            }
          ]
        }
        "#);
    }
}
