//! What files need of the operating system, one file for each kind.
//!
//! Each file has the same items:
//!
//! - [`hide`]: new files are for their owner alone.
//! - [`inherit`]: a file gets what the file has that it replaces.
//! - [`sync_folder`]: makes a rename last.
//! - [`release_pages`]: lets the system forget pages of a file that it can read again.
//!
//! That a rename replaces a file whole is the standard library's: rename(2), and on Windows
//! `SetFileInformationByHandle` with POSIX semantics, else `MoveFileExW`. On Windows a rename can be refused
//! while another process has the old file open or mapped; then the old file stays, and the error says so.

#[cfg(unix)]
#[path = "unix.rs"]
mod at_hand;
#[cfg(not(unix))]
#[path = "windows.rs"]
mod at_hand;

pub use at_hand::{hide, inherit, release_pages, sync_folder};
