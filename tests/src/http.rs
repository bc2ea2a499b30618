//! Plain HTTP requests to programs on this machine.

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What a program answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks for `url`, for example `http://127.0.0.1:8080/metrics`.
pub async fn get(url: &str) -> Result<Response> {
    send("GET", url, "").await
}

/// Sends `body`, which is JSON unless it is empty, to `url`.
pub async fn send(method: &str, url: &str, body: &str) -> Result<Response> {
    let (host, _) = host_and_path(url)?;
    ask(method, url, host, body).await
}

/// Asks whoever listens at `url` for what it has at this name.
pub async fn send_to_host(method: &str, url: &str, host: &str) -> Result<Response> {
    ask(method, url, host, "").await
}

fn host_and_path(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not an http:// address"))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}

async fn ask(method: &str, url: &str, host: &str, body: &str) -> Result<Response> {
    let (address, path) = host_and_path(url)?;
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("no answer at {url}"))?;
    // HTTP/1.0: the end of the body is the end of the connection, and it does not come in chunks.
    let head = format!("{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json");
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("{url} answered {answer:?}") };
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Response {
        status: status.with_context(|| format!("{url} answered {head:?}"))?,
        body: body.to_owned(),
    })
}

/// Escapes a value for the query of a URL.
pub(crate) fn escape(value: &str) -> String {
    let escape = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_cannot_hold_is_escaped() {
        assert_eq!(escape("rate(a_b[1m]) > 0"), "rate%28a_b%5B1m%5D%29%20%3E%200");
    }
}
