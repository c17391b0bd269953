//! A long line: a TCP relay that holds every byte back for a while, and counts.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Relays a port of this machine to one address. A byte in either direction arrives `delay` after it was sent, so a
/// round trip takes twice that; the rate is not limited.
///
/// Stands in for a slow line: the kernels that tests run on have no `netem`. Connections are closed when the
/// value is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    delay: Duration,
    is_cut: AtomicBool,
    is_over: AtomicBool,
    connections: AtomicUsize,
    /// To the target, and back.
    bytes: [AtomicU64; 2],
    /// Times that the direction of the bytes changed from "back" to "to", over all connections.
    turns: AtomicUsize,
    was_back: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Starts a relay to the address.
    ///
    /// # Panics
    /// When no port is to be had.
    #[must_use]
    pub fn start(target: SocketAddr, delay: Duration) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, target, delay)
    }

    /// A relay at another address of this machine: at [`SshHost::gateway`](crate::SshHost::gateway) that host
    /// can use it.
    ///
    /// # Panics
    /// When no port is to be had.
    #[must_use]
    pub fn start_at(own: Ipv4Addr, target: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind((own, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared {
            target,
            delay,
            is_cut: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
            turns: AtomicUsize::new(0),
            was_back: AtomicBool::new(true),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.relay(stream));
            }
        });
        Self { address, shared }
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections taken so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Bytes sent to the target so far.
    #[must_use]
    pub fn bytes_to(&self) -> u64 {
        self.shared.bytes[0].load(Ordering::SeqCst)
    }

    /// Bytes that came back so far.
    #[must_use]
    pub fn bytes_back(&self) -> u64 {
        self.shared.bytes[1].load(Ordering::SeqCst)
    }

    /// How often something was sent after something had come back: with one conversation at a time and a
    /// delay well above the work done at either end, the round trips.
    #[must_use]
    pub fn turns(&self) -> usize {
        self.shared.turns.load(Ordering::SeqCst)
    }

    /// From now on bytes are swallowed, in both directions; nobody is told.
    pub fn cut(&self) {
        self.shared.is_cut.store(true, Ordering::SeqCst);
    }

    /// New connections pass again. Those that lost bytes are closed.
    pub fn mend(&self) {
        self.close_all();
        self.shared.is_cut.store(false, Ordering::SeqCst);
    }

    /// Closes every connection, as a router that reboots.
    pub fn close_all(&self) {
        for stream in lock(&self.shared.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.close_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn relay(self: Arc<Self>, near: TcpStream) {
        let far = TcpStream::connect_timeout(&self.target, Duration::from_secs(10));
        let Ok(far) = far else {
            let _ = near.shutdown(Shutdown::Both);
            return;
        };
        let copies = |stream: &TcpStream| stream.set_nodelay(true).and_then(|()| stream.try_clone()).ok();
        let (Some(near_copy), Some(far_copy)) = (copies(&near), copies(&far)) else { return };
        let (Some(near_kept), Some(far_kept)) = (copies(&near), copies(&far)) else { return };
        lock(&self.open).extend([near_kept, far_kept]);
        let other = Arc::clone(&self);
        thread::spawn(move || other.one_way(far_copy, near_copy, 1));
        self.one_way(near, far, 0);
    }

    /// Reads at once and writes later, so that the delay does not limit the rate.
    fn one_way(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream, way: usize) {
        let line = Arc::new(Line::default());
        let (reader, shared) = (Arc::clone(&line), Arc::clone(self));
        thread::spawn(move || {
            let mut buffer = vec![0_u8; 64 * 1024];
            loop {
                let count = from.read(&mut buffer).unwrap_or(0);
                if count > 0 && shared.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                if count > 0 {
                    shared.bytes[way].fetch_add(count as u64, Ordering::SeqCst);
                    if shared.was_back.swap(way == 1, Ordering::SeqCst) && way == 0 {
                        shared.turns.fetch_add(1, Ordering::SeqCst);
                    }
                }
                reader.put(Instant::now() + shared.delay, buffer[..count].to_vec());
                if count == 0 {
                    return;
                }
            }
        });
        loop {
            let bytes = line.take();
            if bytes.is_empty() || to.write_all(&bytes).is_err() {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }
}

/// Bytes under way, each with the moment of its arrival; an empty part is the end.
#[derive(Debug, Default)]
struct Line {
    parts: Mutex<VecDeque<(Instant, Vec<u8>)>>,
    more: Condvar,
}

impl Line {
    fn put(&self, arrival: Instant, bytes: Vec<u8>) {
        lock(&self.parts).push_back((arrival, bytes));
        self.more.notify_one();
    }

    fn take(&self) -> Vec<u8> {
        let mut parts = lock(&self.parts);
        let (arrival, bytes) = loop {
            match parts.pop_front() {
                Some(part) => break part,
                None => parts = self.more.wait(parts).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(parts);
        thread::sleep(arrival.saturating_duration_since(Instant::now()));
        bytes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
