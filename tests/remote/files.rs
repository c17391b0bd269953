//! Files, as the local transport treats them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mng_core::model::error::ErrorClass;
use mng_core::transports::{FileKind, LocalTransport, Transport};
use mng_provider_remote::SshTransport;
use mng_tests::{Relay, SshHost};

use crate::world::{block, target_through, transport};

/// Paths that both transports see: a host shares this machine's files.
fn place(host: &SshHost, name: &str) -> PathBuf {
    host.root().join("tmp").join(name)
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn both_transports_do_the_same() {
    let Some(host) = SshHost::start("alpha") else { return };
    let remote = transport(&host);
    let kinds: [(&dyn Transport, &str); 2] = [(&LocalTransport, "local"), (&remote, "remote")];
    for (transport, name) in kinds {
        block(async {
            let base = place(&host, name);
            let file = base.join("a b/ünïcode/it's");
            assert_eq!(transport.read(&file).await.unwrap(), None);
            assert!(transport.stat(&file).await.unwrap().is_none());
            assert_eq!(transport.list_dir(&base).await.unwrap(), Vec::<String>::new());
            transport.write(&file, b"one", 0o640).await.unwrap();
            assert_eq!(mode(&file), 0o640, "{name}");
            assert_eq!(mode(&base.join("a b")), 0o700, "{name}");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
            transport.write_volatile(&file, b"two", 0o600).await.unwrap();
            assert_eq!((mode(&file), fs::read(&file).unwrap()), (0o751, b"two".to_vec()), "{name}");
            assert_eq!(transport.read(&file).await.unwrap().unwrap(), b"two");
            assert_eq!(transport.read_from(&file, 1, 1).await.unwrap().unwrap(), b"w");
            assert_eq!(transport.read_from(&file, 1, 100).await.unwrap().unwrap(), b"wo");
            assert_eq!(transport.read_from(&file, 50, 10).await.unwrap().unwrap(), b"");
            assert_eq!(transport.read_from(&base.join("no"), 0, 10).await.unwrap(), None);
            assert_eq!(transport.read(&file.join("below")).await.unwrap(), None);

            // A link survives, and what it points to is replaced.
            let link = base.join("link");
            symlink(&file, &link).unwrap();
            transport.write(&link, b"three", 0o600).await.unwrap();
            assert!(link.is_symlink() && fs::read(&file).unwrap() == b"three", "{name}");
            let stat = transport.stat(&link).await.unwrap().unwrap();
            assert_eq!(stat.kind, FileKind::Symlink);
            let stat = transport.stat(&file).await.unwrap().unwrap();
            assert_eq!((stat.kind, stat.size, stat.mode), (FileKind::File, 5, 0o751));
            assert!(stat.modified.elapsed().unwrap() < Duration::from_secs(60));
            assert_eq!(transport.stat(&base).await.unwrap().unwrap().kind, FileKind::Directory);

            transport.create_dir(&base.join("x/y/z")).await.unwrap();
            transport.create_dir(&base.join("x/y/z")).await.unwrap();
            assert_eq!(mode(&base.join("x/y")), 0o700);
            let odd = std::ffi::OsString::from(".hidden\nline");
            fs::write(base.join(odd), "").unwrap();
            let names = transport.list_dir(&base).await.unwrap();
            assert_eq!(names, [".hidden\nline", "a b", "link", "x"], "{name}");
            assert!(transport.create_dir(&file.join("below")).await.is_err());

            transport.rename(&link, &base.join("moved")).await.unwrap();
            fs::write(base.join("old"), "").unwrap();
            transport.rename(&base.join("moved"), &base.join("old")).await.unwrap();
            assert!(base.join("old").is_symlink());
            let error = transport.rename(&base.join("no"), &base.join("old")).await.unwrap_err();
            assert_eq!(
                (error.class(), error.io_kind()),
                (ErrorClass::Io, Some(std::io::ErrorKind::NotFound))
            );

            transport.remove_file(&base.join("no")).await.unwrap();
            transport.remove_file(&base.join("old")).await.unwrap();
            let outside = place(&host, "outside");
            fs::create_dir_all(&outside).unwrap();
            fs::write(outside.join("kept"), "").unwrap();
            symlink(&outside, base.join("x/out")).unwrap();
            transport.remove_tree(&base).await.unwrap();
            transport.remove_tree(&base).await.unwrap();
            assert!(!base.exists() && outside.join("kept").exists());
        });
    }
}

#[test]
fn files_of_every_size_come_back_as_they_went() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        let path = place(&host, "file");
        for size in [0, 1, 32_767, 32_768, 32_769, 131_072, 131_073, 3_000_000, 20_000_000] {
            let bytes: Vec<u8> =
                (0..size).map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            transport.write(&path, &bytes, 0o600).await.unwrap();
            assert!(fs::read(&path).unwrap() == bytes, "{size} bytes written");
            assert!(transport.read(&path).await.unwrap().unwrap() == bytes, "{size} bytes read");
            let from = transport.read_from(&path, u64::from(size / 2), 200_000).await.unwrap().unwrap();
            let expected: Vec<u8> = bytes.iter().skip(size as usize / 2).take(200_000).copied().collect();
            assert!(from == expected, "from the middle of {size} bytes");
        }
        let names = transport.list_dir(&host.root().join("tmp")).await.unwrap();
        assert_eq!(names, ["file"], "no temporary file is left");
        // A file that has no size.
        let stat = transport.read("/proc/self/status".as_ref()).await.unwrap().unwrap();
        assert!(String::from_utf8(stat).unwrap().contains("VmPeak"));
    });
    assert_eq!(host.logins(), 1);
}

#[test]
fn a_refused_write_says_why_and_leaves_nothing() {
    let Some(host) = SshHost::start("alpha") else { return };
    let transport = transport(&host);
    block(async {
        let error = transport.write("/proc/nothing/here".as_ref(), b"x", 0o600).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Io);
        let dir = place(&host, "dir");
        fs::create_dir_all(dir.join("sub")).unwrap();
        assert!(transport.write(&dir.join("sub"), b"x", 0o600).await.is_err());
        assert_eq!(transport.list_dir(&dir).await.unwrap(), ["sub"]);
    });
}

#[test]
fn a_host_without_sftp_says_what_to_do() {
    let Some(host) = SshHost::options("alpha").without_sftp().start() else { return };
    let transport = transport(&host);
    block(async {
        let error = transport.read("/etc/hostname".as_ref()).await.unwrap_err();
        assert!(error.hint().unwrap().contains("Subsystem sftp"), "{error:?}");
        assert!(transport.exec(crate::world::sh("true")).await.unwrap().is_success());
    });
}

#[test]
fn small_files_cost_few_round_trips() {
    let Some(host) = SshHost::start("alpha") else { return };
    let relay = Relay::start(host.socket(), Duration::from_millis(100));
    let transport = SshTransport::new(target_through(&relay, &host));
    let path = place(&host, "file");
    block(async {
        assert!(transport.stat(&path).await.unwrap().is_none());
        let trip = Duration::from_millis(200);
        let half = trip / 2;
        let start = Instant::now();
        // A durable write waits for the disk as well.
        transport.write_volatile(&path, b"some text", 0o600).await.unwrap();
        let written = start.elapsed();
        assert!(written < trip * 3 + half, "{written:?}");
        let start = Instant::now();
        assert_eq!(transport.read(&path).await.unwrap().unwrap(), b"some text");
        let read = start.elapsed();
        assert!(read < trip * 2 + half, "{read:?}");
        let start = Instant::now();
        transport.stat(&path).await.unwrap().unwrap();
        assert!(start.elapsed() < trip + half);
    });
}

#[test]
fn a_file_channel_that_ends_alone_is_opened_again() {
    let Some(host) = SshHost::options("alpha")
        .without_sftp()
        .config("Subsystem sftp /usr/lib/openssh/sftp-server")
        .start()
    else {
        return;
    };
    let transport = transport(&host);
    let path = place(&host, "file");
    block(async {
        transport.write(&path, b"kept", 0o600).await.unwrap();
        assert!(host.run(&["pkill", "-KILL", "sftp-server"]).status.success());
        assert_eq!(transport.read(&path).await.unwrap().unwrap(), b"kept");
    });
    assert_eq!(host.logins(), 1);
}
