//! Commands whose normal end is Ctrl-C.

use std::time::Duration;

use mng_core::Error;

/// How often a follower looks whether the process that started it is still there.
const PARENT_CHECK: Duration = Duration::from_secs(1);

/// Waits for work that goes on until the person has seen enough: Ctrl-C then is success. Unless
/// `is_daemonized`, it also ends when the parent process does, so that nothing is left running behind a
/// closed terminal.
pub(crate) async fn until_interrupted(
    work: impl Future<Output = Result<(), Error>>,
    is_daemonized: bool,
) -> Result<(), Error> {
    let orphaned = async {
        if is_daemonized {
            std::future::pending::<()>().await;
        }
        parent_gone().await;
    };
    tokio::select! {
        biased;
        _ = crate::frame::interrupted() => Ok(()),
        () = orphaned => Ok(()),
        result = work => result,
    }
}

/// An orphan is given to another parent.
async fn parent_gone() {
    let parent = rustix::process::getppid();
    while rustix::process::getppid() == parent {
        tokio::time::sleep(PARENT_CHECK).await;
    }
}
