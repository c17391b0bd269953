//! The state: markers that our plug-in in the program sets, and what it wrote into them.

use mng_core::agents::type_state::{StateProbe, TypeLook, TypeState};
use mng_core::model::state::WaitingReason;
use mng_core::model::time::Time;

/// Tells a question of the model's from one for a permission; everything else the markers tell themselves.
#[derive(Debug)]
pub(crate) struct Probe;

impl StateProbe for Probe {
    fn look(&self, look: &mut TypeLook<'_>) -> Option<TypeState> {
        // Without a turn nobody is asked.
        look.markers.active?;
        let (kind, modified) =
            look.reader.read_with_time(&look.state_dir.join("permissions_waiting")).ok()?;
        if kind != b"question" {
            return None;
        }
        Some(TypeState {
            waiting: Some(WaitingReason::Dialog),
            reason: "the model has asked its user a question".into(),
            since: Some(Time::from(modified)),
            signal: "permissions_waiting",
            value: "question".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use mng_core::agents::facts::Markers;
    use mng_core::agents::type_state::ProcessView;
    use mng_core::storage::SmallReader;

    use super::*;

    #[test]
    fn a_question_is_told_from_a_permission() {
        let dir = tempfile::tempdir().unwrap();
        let record = serde_json::from_value(serde_json::json!({
            "id": mng_core::model::ids::AgentId::generate(), "name": "a", "type": "opencode",
            "work_dir": "/w", "create_time": "2026-11-22T13:31:00Z", "command": "x",
        }))
        .unwrap();
        let look = |active: Option<Time>| {
            let mut reader = SmallReader::new();
            let markers = Markers { active, blocked: active };
            Probe.look(&mut TypeLook {
                state_dir: dir.path(),
                record: &record,
                at: Time::now(),
                launch: None,
                markers,
                reader: &mut reader,
                processes: ProcessView::Hidden("not here"),
            })
        };
        let now = Some(Time::now());
        assert_eq!(look(now), None, "no marker");
        std::fs::write(dir.path().join("permissions_waiting"), "permission").unwrap();
        assert_eq!(look(now), None, "the marker itself says as much");
        std::fs::write(dir.path().join("permissions_waiting"), "question").unwrap();
        assert_eq!(look(now).unwrap().waiting, Some(WaitingReason::Dialog));
        assert_eq!(look(None), None, "a question of a turn that is over");
    }
}
