//! How a command ends.

use mng_core::Error;
use mng_core::model::failure::Failure;

/// What every command hands back: its exit code, or the error that ended it.
pub(crate) type CliResult = Result<ExitCode, Error>;

/// The process exit code; `mng help exit_codes` has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitCode(u8);

impl ExitCode {
    pub(crate) const SUCCESS: Self = Self(0);
    /// Any other error.
    pub(crate) const OTHER: Self = Self(1);
    pub(crate) const USAGE: Self = Self(2);

    pub(crate) fn new(code: u8) -> Self {
        Self(code)
    }

    pub(crate) fn as_u8(self) -> u8 {
        self.0
    }

    /// Success when nothing was left over, else the code of the most severe leftover.
    pub(crate) fn for_failures(failures: &[Failure]) -> Self {
        Self(Failure::exit_code(failures))
    }
}
