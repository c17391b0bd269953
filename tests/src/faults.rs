//! Killing `mng` half-way: the binary under test is built with fault points.
//!
//! Two variables drive them. `MNG_FAULT_POINT_LIST=FILE` appends the name of each point that is passed;
//! `MNG_FAULT_POINT=NAME` makes the process kill itself there, as `kill -9` from outside would.

use std::fs;

use crate::run::{Command, Run};
use crate::world::TestEnv;

/// A run that was to die at a point.
pub struct Killed {
    pub point: String,
    pub run: Run,
}

impl TestEnv {
    /// Runs the command to its end and returns the fault points that it passed, in order, each once.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn fault_points(&self, command: Command) -> Vec<String> {
        let list = self.root().join("fault-points");
        let _ = fs::remove_file(&list);
        command.env("MNG_FAULT_POINT_LIST", &list).run().success();
        let mut points: Vec<String> = Vec::new();
        for point in fs::read_to_string(&list).unwrap_or_default().lines() {
            if !points.iter().any(|known| known == point) {
                points.push(point.to_owned());
            }
        }
        points
    }

    /// Runs the command and has it killed at the point.
    ///
    /// # Panics
    /// When it outlives the point.
    #[track_caller]
    pub fn killed_at(&self, point: &str, command: Command) -> Killed {
        let run = command.env("MNG_FAULT_POINT", point).run();
        assert!(run.signal() == Some(9), "it was not killed at `{point}`\n{}", run.in_full());
        Killed { point: point.to_owned(), run }
    }
}
