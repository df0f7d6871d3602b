//! Who is first where many write one name: two writes one after the other, then races.

use crate::error::{Error, Kind, Result};
use crate::mirror::probe::{Probe, SMALL_BYTES, Trial, answered};
use crate::store::{Payload, Placed};
use std::sync::Barrier;
use std::time::Duration;

const WRITERS: usize = 8;
pub(super) const ROUNDS_MAX: u32 = 20;
const ROUNDS_TIME: Duration = Duration::from_secs(10);

enum Verdict {
    Sound,
    Cannot,
    Against(String),
}

impl Trial<'_> {
    /// Whether one writer of many wins a new name.
    pub(super) fn slots(&self, found: &mut Probe, quick: bool) -> Result<()> {
        let against = match self.two_writes()? {
            Verdict::Cannot => return Ok(()),
            Verdict::Against(why) => Some(why),
            Verdict::Sound if quick => None,
            Verdict::Sound => self.races(found)?,
        };
        found.put_if_absent = against.is_none();
        found.against = against;
        Ok(())
    }

    /// A, then B to one name: B must be told, and A's bytes must stay.
    fn two_writes(&self) -> Result<Verdict> {
        let name = self.name();
        let (a, b) = (self.noise(SMALL_BYTES), self.noise(SMALL_BYTES));
        let steps = [
            (
                &a,
                Placed::Mine,
                "a new name was not given to its only writer",
            ),
            (
                &b,
                Placed::Taken,
                "a second writer was told that the name is its own",
            ),
            (&a, Placed::Mine, "the first writer was not known again"),
        ];
        for (payload, expected, wrong) in steps {
            match self.store.put_if_absent(&name, payload)? {
                Placed::Cannot => return Ok(Verdict::Cannot),
                placed if placed != expected => return Ok(Verdict::Against(wrong.to_owned())),
                _ => {}
            }
            let stands = answered(self.store.get(&name, SMALL_BYTES as u64))?;
            if stands.is_none_or(|bytes| bytes[..] != a[..]) {
                return Ok(Verdict::Against(
                    "the first writer's bytes did not stay".to_owned(),
                ));
            }
        }
        Ok(Verdict::Sound)
    }

    /// Races until there were enough or time is up; what speaks against the store, if anything does.
    fn races(&self, found: &mut Probe) -> Result<Option<String>> {
        let begun = self.host.elapsed();
        while found.rounds < ROUNDS_MAX && self.host.elapsed().saturating_sub(begun) < ROUNDS_TIME {
            found.rounds += 1;
            if let Some(why) = self.race()? {
                return Ok(Some(why));
            }
        }
        Ok(None)
    }

    fn race(&self) -> Result<Option<String>> {
        let name = self.name();
        let payloads: Vec<Payload> = (0..WRITERS).map(|_| self.noise(SMALL_BYTES)).collect();
        let start = Barrier::new(WRITERS);
        let answers: Vec<Result<Placed>> = std::thread::scope(|scope| {
            let write = |payload| {
                let (name, start) = (&name, &start);
                scope.spawn(move || {
                    start.wait();
                    self.store.put_if_absent(name, payload)
                })
            };
            let threads: Vec<_> = payloads.iter().map(write).collect();
            let panicked =
                || Error::new(Kind::Other, "try a race of writers").because("a thread panicked");
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Placed>>| {
                thread.join().unwrap_or_else(|_| Err(panicked()))
            };
            threads.into_iter().map(join).collect()
        });
        let mut winners = Vec::new();
        for (answer, payload) in answers.into_iter().zip(&payloads) {
            match answer? {
                Placed::Mine => winners.push(payload),
                Placed::Taken => {}
                Placed::Cannot => return Ok(Some("in a race it was unable to decide".to_owned())),
            }
        }
        let [winner] = winners[..] else {
            return Ok(Some(format!(
                "a race of {WRITERS} writers had {} winners",
                winners.len()
            )));
        };
        let stands = answered(self.store.get(&name, SMALL_BYTES as u64))?;
        if self.deletes() {
            self.store.delete(&name).or_else(ignore_refusal)?;
        }
        if stands.is_none_or(|bytes| bytes[..] != winner[..]) {
            return Ok(Some(
                "after a race others' bytes stood there than the winner's".to_owned(),
            ));
        }
        Ok(None)
    }
}

fn ignore_refusal(error: Error) -> Result<()> {
    answered::<()>(Err(error)).map(drop)
}
