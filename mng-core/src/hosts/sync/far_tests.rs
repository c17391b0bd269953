//! The same transfers to a host that is treated as another machine: everything goes over its transport.

use std::fs;
use std::path::Path;

use super::{
    FilesRequest, Joining, PullRequest, PushRequest, Reach, Rules, Side, Uncommitted, files, pull, push,
};
use crate::agents::testing::{PrivateHost, block};
use crate::hosts::Layout;
use crate::hosts::git::testing::{TestRepo, git_in};
use crate::model::event::Events;
use crate::transports::LocalTransport;

struct World {
    here: TestRepo,
    far: PrivateHost,
    near: Side,
    there: Side,
}

impl World {
    fn new() -> Self {
        let (here, far) = (TestRepo::new(), PrivateHost::far());
        here.commit("a", "1\n2\n3\n");
        let work = far.path("work");
        git_in(here.root(), &["clone", "-q", ".", work.to_str().unwrap()]);
        for (key, value) in [("user.name", "Test"), ("user.email", "test@localhost")] {
            git_in(&work, &["config", key, value]);
            here.git_args(&["config", key, value]);
        }
        let near = Side {
            transport: std::sync::Arc::new(LocalTransport),
            layout: Layout::new(here.beside("h")),
            dir: here.root().to_path_buf(),
        };
        let there = Side::on(&far.host, &work);
        Self { here, far, near, there }
    }

    fn work(&self) -> std::path::PathBuf {
        self.far.path("work")
    }

    fn push(&self) -> super::GitReport {
        block(async {
            let reach = Reach::to(&self.far.host).unwrap();
            assert!(!reach.is_here());
            let request = PushRequest {
                source: &self.near,
                destination: &self.there,
                reach: &reach,
                uncommitted: Uncommitted::Merge,
                source_branch: None,
                is_mirror: false,
                is_dry_run: false,
            };
            push(&request, &Events::none()).await.unwrap()
        })
    }

    fn pull(&self) -> super::GitReport {
        block(async {
            let reach = Reach::to(&self.far.host).unwrap();
            let request = PullRequest {
                source: &self.there,
                destination: &self.near,
                reach: &reach,
                uncommitted: Uncommitted::Fail,
                source_branch: None,
                target_branch: None,
                joining: Joining::Merge,
                agent: "a1",
                is_dry_run: false,
            };
            pull(&request, &Events::none()).await.unwrap()
        })
    }

    fn files(&self, is_push: bool) -> crate::model::error::Result<super::FilesReport> {
        block(async {
            let reach = Reach::to(&self.far.host).unwrap();
            let (source, destination) =
                if is_push { (&self.near, &self.there) } else { (&self.there, &self.near) };
            let request = FilesRequest {
                source,
                destination,
                reach: &reach,
                is_from_far: !is_push,
                here: &LocalTransport,
                uncommitted: Uncommitted::Fail,
                rules: &Rules::default(),
                is_deleting: false,
                makes_parents: is_push,
                is_dry_run: false,
            };
            files(&request, &Events::none()).await
        })
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn commits_travel_over_the_transport() {
    let world = World::new();
    let tip = world.here.commit("a", "one\n2\n3\n");
    fs::write(world.work().join("a"), "1\n2\n3\nfour\n").unwrap();
    assert_eq!(world.push().commits_transferred, 1);
    assert_eq!(git_in(&world.work(), &["rev-parse", "HEAD"]), tip);
    assert_eq!(read(&world.work().join("a")), "one\n2\n3\nfour\n", "the agent's change is joined");
    assert_eq!(git_in(&world.work(), &["for-each-ref", "refs/mng/incoming"]), "");

    git_in(&world.work(), &["commit", "-q", "-a", "-m", "there"]);
    world.here.commit("b", "here\n");
    assert_eq!(world.pull().commits_transferred, 1);
    assert_eq!(read(&world.here.path("a")), "one\n2\n3\nfour\n");
}

#[test]
fn files_travel_over_the_transport() {
    let world = World::new();
    world.here.write("dir/new ü 'q' $x.txt", "n\n");
    world.files(true).unwrap();
    assert_eq!(read(&world.work().join("dir/new ü 'q' $x.txt")), "n\n");
    // Ours by the manifest on that host; what somebody changed there is not.
    world.here.write("dir/new ü 'q' $x.txt", "m\n");
    world.files(true).unwrap();
    fs::write(world.work().join("dir/new ü 'q' $x.txt"), "theirs\n").unwrap();
    let error = world.files(true).unwrap_err();
    assert!(error.to_string().starts_with("Uncommitted changes in destination: "), "{error}");
    world.here.git("add -A");
    world.here.git("commit -q -m here");
    world.files(false).unwrap();
    assert_eq!(read(&world.here.path("dir/new ü 'q' $x.txt")), "theirs\n");
}
