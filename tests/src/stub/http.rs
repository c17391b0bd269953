//! As much of HTTP/1.1 as the agent programs need: requests with a length or in chunks, answers with a length
//! or as a stream of server-sent events, and connections that stay open.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) json: Value,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Without the query.
    pub(super) fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

pub(super) struct Connection {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// A HEAD request wants no body.
    bodiless: bool,
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream.try_clone()?), writer: stream, bodiless: false })
    }

    fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(line.trim_end().to_owned()))
    }

    /// The next request; `None` when the program has closed the connection.
    pub(super) fn read_request(&mut self) -> io::Result<Option<Request>> {
        let Some(first) = self.read_line()? else { return Ok(None) };
        let mut words = first.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(bad("request line"));
        };
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?.ok_or_else(|| bad("the head ends early"))?;
            if line.is_empty() {
                break;
            }
            let (key, value) = line.split_once(':').ok_or_else(|| bad("header"))?;
            headers.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request =
            Request { method: method.to_owned(), path: path.to_owned(), headers, json: Value::Null };
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            self.writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = self.read_body(&request)?;
        request.json = serde_json::from_slice(&body).unwrap_or_default();
        self.bodiless = request.method == "HEAD";
        Ok(Some(request))
    }

    fn read_body(&mut self, request: &Request) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = self.read_line()?.ok_or_else(|| bad("chunks end early"))?;
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).map_err(|_| bad("chunk size"))?;
                (&mut self.reader).take(size).read_to_end(&mut body)?;
                self.read_line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let length = request.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        (&mut self.reader).take(length).read_to_end(&mut body)?;
        Ok(body)
    }

    /// Whether the program has closed its side, as one does that no longer waits for the answer.
    pub(super) fn hung_up(&self) -> bool {
        is_closed(&self.writer)
    }

    /// Answers with a JSON document. Returns the status.
    pub(super) fn send_json(&mut self, status: u16, body: &Value) -> io::Result<u16> {
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} stub\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.writer.write_all(head.as_bytes())?;
        if !self.bodiless {
            self.writer.write_all(body.as_bytes())?;
        }
        Ok(status)
    }

    /// Opens an answer of server-sent events; OpenAI numbers them.
    pub(super) fn open_events(&mut self, numbered: bool) -> io::Result<Events<'_>> {
        self.writer.write_all(
            b"HTTP/1.1 200 stub\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
              transfer-encoding: chunked\r\n\r\n",
        )?;
        Ok(Events { writer: &mut self.writer, numbered, sent: 0 })
    }
}

/// Whether the other side of a connection is closed; nothing is read.
fn is_closed(stream: &TcpStream) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return true;
    }
    let seen = stream.peek(&mut [0]);
    let _ = stream.set_nonblocking(false);
    match seen {
        Ok(count) => count == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// An answer under way.
pub(super) struct Events<'a> {
    writer: &'a mut TcpStream,
    numbered: bool,
    sent: u64,
}

impl Events<'_> {
    fn chunk(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
    }

    /// As [`Connection::hung_up`].
    pub(super) fn hung_up(&self) -> bool {
        is_closed(self.writer)
    }

    /// Sends one event. Its data are the fields with `type` added, and `sequence_number` where numbered.
    pub(super) fn send(&mut self, kind: &str, fields: Value) -> io::Result<()> {
        let mut data = json!({"type": kind});
        if self.numbered {
            data["sequence_number"] = json!(self.sent);
        }
        if let (Some(data), Value::Object(fields)) = (data.as_object_mut(), fields) {
            data.extend(fields);
        }
        self.sent += 1;
        self.chunk(&format!("event: {kind}\ndata: {data}\n\n"))
    }

    /// Sends data without the name of an event, as Chat Completions does.
    pub(super) fn send_bare(&mut self, data: &str) -> io::Result<()> {
        self.chunk(&format!("data: {data}\n\n"))
    }

    /// Ends the answer. Returns its status.
    pub(super) fn finish(self) -> io::Result<u16> {
        self.writer.write_all(b"0\r\n\r\n")?;
        Ok(200)
    }
}
