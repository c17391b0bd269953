//! Stand-ins for the model APIs on loopback, so that the real agent programs can finish turns offline.
//!
//! The newest text of the user steers the answer. Directives are looked for on each line of it; a text without
//! one is answered with `stub: TEXT`.
//!
//! | directive | effect |
//! |---|---|
//! | `stub:say TEXT` | the reply is exactly TEXT; `\n` in it is a line break |
//! | `stub:words N` | the reply is N words, one event each |
//! | `stub:bash COMMAND` | first a call of the shell tool, then `stub: tool done: RESULT` |
//! | `stub:tool NAME {JSON}` | the same with any tool that the request offers |
//! | `stub:hold NAME` | no byte until the test calls [`Stub::release`]: the turn runs as long as the test wants |
//! | `stub:sleep SECONDS` | a wait before the first byte, for trying things by hand |
//! | `stub:error STATUS` | this HTTP status with an API error |
//! | `stub:gate=NAME` | as a word of TEXT, to Claude Code: what is behind it comes after [`Stub::release`] |
//!
//! `stub:hold` and `stub:sleep` apply to the request that opens the turn, and go along with any other.

mod anthropic;
mod directives;
mod gates;
mod http;
mod openai;

use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use gates::Gates;
use http::{Connection, Request};

/// One request that arrived at a stub.
#[derive(Clone, Debug)]
pub struct Logged {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// `Null` when the body is empty or no JSON.
    pub body: Value,
    pub arrived: Instant,
    /// When the last byte of the answer was sent; `None` while it is held, or when the program hung up.
    pub answered: Option<Instant>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
}

impl Logged {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The protocol that a stub speaks.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    Anthropic,
    OpenAi,
}

/// What the connections of one stub share.
struct Shared {
    protocol: Protocol,
    log: Mutex<Vec<Logged>>,
    gates: Gates,
    /// The only key that is let in; any when `None`.
    key: Option<String>,
    closing: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    ids: AtomicU64,
}

impl Shared {
    /// Whether the request carries the key, if one is asked for.
    fn lets_in(&self, request: &Request) -> bool {
        let Some(key) = &self.key else { return true };
        let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        request.header("x-api-key") == Some(key) || bearer == Some(key)
    }

    fn next_id(&self, prefix: &str) -> String {
        format!("{prefix}{:06}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Vec<Logged>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server on a free port, gone when it is dropped. It listens on 127.0.0.1 unless told where.
pub struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Stub {
    /// Speaks the Anthropic Messages API, as Claude Code uses it.
    #[must_use]
    pub fn anthropic() -> Self {
        Self::start(Protocol::Anthropic, None, Ipv4Addr::LOCALHOST)
    }

    /// As [`Stub::anthropic`], refusing every other API key with 401.
    #[must_use]
    pub fn anthropic_with_key(key: &str) -> Self {
        Self::start(Protocol::Anthropic, Some(key.to_owned()), Ipv4Addr::LOCALHOST)
    }

    /// Speaks the OpenAI Responses API, as Codex uses it, and Chat Completions.
    #[must_use]
    pub fn openai() -> Self {
        Self::start(Protocol::OpenAi, None, Ipv4Addr::LOCALHOST)
    }

    /// As [`Stub::openai`], refusing every other API key with 401.
    #[must_use]
    pub fn openai_with_key(key: &str) -> Self {
        Self::start(Protocol::OpenAi, Some(key.to_owned()), Ipv4Addr::LOCALHOST)
    }

    /// As [`Stub::anthropic`] at an address of this machine that others reach: [`SshHost::gateway`].
    ///
    /// [`SshHost::gateway`]: crate::SshHost::gateway
    #[must_use]
    pub fn anthropic_at(address: Ipv4Addr) -> Self {
        Self::start(Protocol::Anthropic, None, address)
    }

    /// As [`Stub::openai`]; see [`Stub::anthropic_at`].
    #[must_use]
    pub fn openai_at(address: Ipv4Addr) -> Self {
        Self::start(Protocol::OpenAi, None, address)
    }

    fn start(protocol: Protocol, key: Option<String>, at: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((at, 0)).expect("the address has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            protocol,
            log: Mutex::default(),
            gates: Gates::default(),
            key,
            closing: AtomicBool::new(false),
            open: Mutex::default(),
            ids: AtomicU64::new(1),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// `http://ADDRESS:PORT`, without a path. OpenAI's clients want `/v1` behind it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests in the order of their arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.log().clone()
    }

    /// What the user said in the newest conversation that carries tools, in order: what the model would see.
    /// Side requests of a program (a title, a token count) do not count. A message that a program handed
    /// over within a running turn counts as one text.
    #[must_use]
    pub fn user_texts(&self) -> Vec<String> {
        let log = self.shared.log();
        log.iter().rev().find_map(|request| self.texts_of(request)).unwrap_or_default()
    }

    /// As [`Stub::user_texts`] for one request; `None` when it is no turn of a conversation.
    #[must_use]
    pub fn texts_of(&self, request: &Logged) -> Option<Vec<String>> {
        match self.shared.protocol {
            Protocol::Anthropic => anthropic::user_texts(&request.body),
            Protocol::OpenAi => openai::user_texts(&request.body),
        }
    }

    /// Whether a turn waits at this gate now.
    #[must_use]
    pub fn is_held(&self, gate: &str) -> bool {
        self.shared.gates.is_held(gate)
    }

    /// Lets the turns at this gate go on, and all that come to it later.
    pub fn release(&self, gate: &str) {
        self.shared.gates.release(gate);
    }

    /// When the last answer of a conversation was sent whole: the moment at which its turn ended.
    #[must_use]
    pub fn last_answered(&self) -> Option<Instant> {
        let log = self.shared.log();
        log.iter()
            .filter(|request| self.texts_of(request).is_some())
            .filter_map(|request| request.answered)
            .max()
    }

    /// Waits until the condition holds.
    ///
    /// # Panics
    /// With the requests so far when it does not within 30 seconds.
    #[track_caller]
    pub fn eventually(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !condition(self) {
            assert!(Instant::now() < end, "the stub does not see within 30 s: {what}\n{}", self.describe());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The requests, one line each, and the texts of the newest conversation: for messages of assertions.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::from("==== requests at the stub\n");
        for request in self.requests() {
            let status = request.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            text.push_str(&format!("{} {} -> {status}\n", request.method, request.path));
        }
        for said in self.user_texts() {
            text.push_str(&format!("  user: {said:?}\n"));
        }
        text
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.gates.open_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if let Ok(copy) = stream.try_clone() {
            shared.open.lock().unwrap_or_else(PoisonError::into_inner).push(copy);
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let ended = stream.try_clone();
            serve(stream, &shared);
            // The copy for `Drop` would keep it open.
            let _ = ended.map(|stream| stream.shutdown(Shutdown::Both));
        });
    }
}

/// Answers the requests of one connection until the program closes it.
fn serve(stream: TcpStream, shared: &Shared) {
    let Ok(mut connection) = Connection::new(stream) else { return };
    while let Ok(Some(request)) = connection.read_request() {
        let index = record(shared, &request);
        let answered = match shared.protocol {
            Protocol::Anthropic => anthropic::answer(&mut connection, &request, shared),
            Protocol::OpenAi => openai::answer(&mut connection, &request, shared),
        };
        // The program hung up, as it does when its user interrupts a turn.
        let Ok(status) = answered else { return };
        let mut log = shared.log();
        log[index].answered = Some(Instant::now());
        log[index].status = Some(status);
    }
}

fn record(shared: &Shared, request: &Request) -> usize {
    let mut log = shared.log();
    log.push(Logged {
        method: request.method.clone(),
        path: request.path.clone(),
        headers: request.headers.clone(),
        body: request.json.clone(),
        arrived: Instant::now(),
        answered: None,
        status: None,
    });
    log.len() - 1
}

#[cfg(test)]
mod tests;
