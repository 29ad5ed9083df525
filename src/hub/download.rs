//! The bytes of a file, and what came of them already.

use super::HubCause;
use super::check::Check;
use super::server::{Server, Stated, header, length, range};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;

/// Connections that one call makes at most: each that ends too early has to have brought something.
const CONNECTIONS: usize = 8;

/// A file that grows: what it has, and its hash so far.
struct Part<'a> {
    path: &'a Path,
    file: File,
    had: u64,
    check: Check<'a>,
    stated: &'a Stated,
}

impl<'a> Part<'a> {
    /// What an earlier call left, if that can be part of the file.
    fn open(path: &'a Path, stated: &'a Stated) -> Result<Part<'a>, HubCause> {
        let failed = || HubCause::cache(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed())?;
        let had = file.metadata().map_err(failed())?.len();
        let mut check = Check::new(stated);
        // Without a hash no one would find out that it belongs to another file.
        if had > stated.size || !check.has_hash() {
            let mut part = Part { path, file, had, check, stated };
            part.begin_anew()?;
            return Ok(part);
        }
        check.read(&mut file).map_err(failed())?;
        Ok(Part { path, file, had, check, stated })
    }

    fn begin_anew(&mut self) -> Result<(), HubCause> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(HubCause::cache(self.path))?;
        (self.had, self.check) = (0, Check::new(self.stated));
        Ok(())
    }

    /// Takes what one connection brings.
    fn go_on(
        &mut self,
        server: &Server,
        url: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), HubCause> {
        let size = self.stated.size;
        let response = server.follow(url, &format!("bytes={}-", self.had), |_| false)?;
        match response.status().as_u16() {
            206 => {
                let (from, whole) = range(&response)?;
                if let Some(received) = whole.filter(|n| *n != size) {
                    return Err(HubCause::Size { stated: size, received });
                }
                if from != Some(self.had) {
                    return Err(HubCause::Header {
                        name: "content-range",
                        value: header(&response, "content-range"),
                    });
                }
            }
            // All of it, whatever was asked for.
            200 => {
                if let Some(received) = length(&response)?.filter(|n| *n != size) {
                    return Err(HubCause::Size { stated: size, received });
                }
                self.begin_anew()?;
            }
            status => return Err(HubCause::Status { status, url: url.into() }),
        }
        let (mut body, mut block) = (response.into_body().into_reader(), vec![0; 1 << 16]);
        loop {
            progress(self.had, size);
            let n = match body.read(&mut block) {
                Ok(0) if self.had == size => return Ok(()),
                Ok(0) => return Err(HubCause::Cut { received: self.had, size, source: None }),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) if self.had == size => return Ok(()),
                Err(e) => return Err(HubCause::Cut { received: self.had, size, source: Some(e) }),
            };
            if self.had + n as u64 > size {
                let received = self.had + n as u64;
                self.begin_anew()?;
                return Err(HubCause::Size { stated: size, received });
            }
            self.file.write_all(&block[..n]).map_err(HubCause::cache(self.path))?;
            self.check.update(&block[..n]);
            self.had += n as u64;
        }
    }

    /// Whether all is right, and on the disk. Bytes that are not right do not stay.
    fn finish(&mut self) -> Result<(), HubCause> {
        match std::mem::replace(&mut self.check, Check::new(self.stated)).finish() {
            Ok(()) => self.file.sync_all().map_err(HubCause::cache(self.path)),
            Err(e) => self.begin_anew().and(Err(e)),
        }
    }

    /// Connects until all is there; gives up where a connection brings nothing more.
    fn fill(
        &mut self,
        server: &Server,
        url: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), HubCause> {
        let (mut most, mut connections) = (self.had, 0);
        while self.had < self.stated.size {
            connections += 1;
            match self.go_on(server, url, progress) {
                Err(HubCause::Cut { .. }) if self.had > most && connections < CONNECTIONS => most = self.had,
                done => done?,
            }
        }
        Ok(())
    }
}

/// Brings a file to `path`, whole and checked, or what came of it for the next call. The caller holds its
/// lock.
pub(super) fn download(
    server: &Server,
    url: &str,
    stated: &Stated,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), HubCause> {
    let mut part = Part::open(path, stated)?;
    // Of what an earlier call left only the hash tells whether it is good.
    let mut again = part.had > 0;
    loop {
        let done = part.fill(server, url, progress).and_then(|()| part.finish());
        match done {
            Ok(()) => return Ok(()),
            Err(HubCause::Hash { .. } | HubCause::Status { status: 416, .. }) if again => {
                again = false;
                part.begin_anew()?;
            }
            Err(e) => {
                if part.had == 0 || !part.check.has_hash() {
                    let _ = std::fs::remove_file(path);
                }
                return Err(e);
            }
        }
    }
}
