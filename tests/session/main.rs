//! What a session does, and what it refuses.
//!
//! * `bad_input`: what a user can get wrong when a network runs
//! * `bisect`: the stage that makes a result wrong
//! * `broken`: stages that are broken on purpose
//! * `check_alarms`: `check` finds faults and takes no rounding for one
//! * `converted_inputs`: inputs of bytes, ids of 32 and 64 bits, and halves
//! * `dumps`: generated code as text, with the line of the source that each instruction computes
//! * `entries`: the parts of networks with several entry points, by name
//! * `entry_points`: states that several entry points keep together
//! * `huge_dims`: dims as large as numbers go
//! * `limited_memory`: memory that cannot be had
//! * `perf_maps`: names of generated functions for `perf`
//! * `refused_code_memory`: executable memory that the system refuses
//! * `reproductions`: files that checks which fail are written to
//! * `states`: caches that grow and values that are replaced
//! * `threads`: runs divided among threads
//! * `trace`: what a trace holds

mod bad_input;
mod bisect;
mod broken;
mod check_alarms;
mod converted_inputs;
mod dumps;
mod entries;
mod entry_points;
mod faults;
mod huge_dims;
mod in_place;
#[cfg(target_os = "linux")]
mod limited_memory;
#[cfg(unix)]
mod perf_maps;
mod prices;
#[cfg(target_os = "linux")]
mod refused_code_memory;
mod reproductions;
mod sliding;
mod states;
mod threads;
mod timeline;
mod trace;
