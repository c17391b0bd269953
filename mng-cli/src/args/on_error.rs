use clap::ValueEnum;

/// Whether a command over many targets goes on past the first failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    Abort,
    Continue,
}
