//! Sessions: backup, sync and undelete, step by step (P0 to P9, S2 to S5), and what comes late.

use super::state::{Config, Plan, Role, Rule, Session, State, at, members, one};
use super::trace::{Next, Who};

/// Everything that sessions can do next.
pub(super) fn steps(config: &Config, state: &State, next: &mut Next) {
    for (number, plan) in (0..).zip(&config.sessions) {
        let turn = Turn {
            config,
            state,
            plan: *plan,
            number,
            me: state.sessions[number as usize],
        };
        turn.steps(next);
    }
}

struct Turn<'a> {
    config: &'a Config,
    state: &'a State,
    plan: Plan,
    number: u8,
    me: Session,
}

impl Turn<'_> {
    fn steps(&self, next: &mut Next) {
        match self.me.step {
            at::LOOK => self.look(next),
            at::NAME => self.name(next),
            at::INTENT => self.intent(next),
            at::TOMBS => self.tombs(next),
            at::LIST => self.list(next),
            at::AGAIN => self.look_again(next),
            at::PACK => {
                match self.plan.role {
                    Role::Sync | Role::Follow => self.choose(next),
                    _ => self.pack(next),
                }
                self.renew(next);
            }
            at::CARRY => self.carry(next),
            at::COMMIT => self.commit(next),
            at::FOLLOW => self.follow(next),
            _ => {}
        }
    }

    fn push(&self, next: &mut Next, what: &'static str, set: u8, me: Session) {
        self.push_with(next, what, set, me, *self.state);
    }

    fn push_with(
        &self,
        next: &mut Next,
        what: &'static str,
        set: u8,
        me: Session,
        mut state: State,
    ) {
        state.sessions[self.number as usize] = me;
        next.push(Who::Session(self.number), what, set, state);
    }

    fn other(&self) -> usize {
        1 - self.plan.home
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.config.keeps(rule)
    }

    /// Whether the parent stands on this mirror.
    fn stands(&self) -> bool {
        let entries = match self.keeps(Rule::VouchNotRemoved) {
            true => self.state.live(self.plan.home),
            false => self.state.committed[self.plan.home],
        };
        self.plan
            .parent
            .is_some_and(|parent| entries & one(parent) != 0)
    }

    /// P0 and S1: what the mirrors show.
    fn look(&self, next: &mut Next) {
        let (state, home) = (self.state, self.plan.home);
        let stood = self.stands() || !self.keeps(Rule::VouchBefore);
        let me = Session {
            step: at::NAME,
            stood,
            ..self.me
        };
        match self.plan.role {
            Role::Backup(_) => {
                self.push(next, "P0 looks; the parent stands on", u8::from(stood), me)
            }
            Role::Undelete(entry) => {
                if state.committed[home] & !state.live(home) & one(entry) != 0 {
                    self.push(next, "P0 will take back entry", one(entry), me);
                }
            }
            // What it will bring is not there yet.
            Role::Follow => self.push(next, "P0 looks; the parent stands on", u8::from(stood), me),
            Role::Sync => {
                let taken_back = state.restored[self.other()] & !state.restored[home];
                let lacks = !state.committed[home] | (taken_back & state.removed[home]);
                for entry in members(state.live(self.other()) & lacks) {
                    self.push(
                        next,
                        "S1 will bring entry",
                        one(entry),
                        Session { entry, ..me },
                    );
                }
            }
        }
    }

    /// The marks that a listing shows, in good weather and in bad: what it shows, and what that cost.
    fn marks_shown(&self) -> Vec<(u8, State)> {
        let (all, mut unlucky) = (self.state.shown[self.plan.home], *self.state);
        let mut shown = vec![(all, unlucky)];
        if unlucky.luck.shorts > 0 {
            unlucky.luck.shorts -= 1;
            shown.extend(members(all).map(|mark| (all & !one(mark), unlucky)));
        }
        shown
    }

    /// P0: which marks are there; the intent will name them.
    fn name(&self, next: &mut Next) {
        for (named, state) in self.marks_shown() {
            let mut me = Session {
                step: at::INTENT,
                named,
                ..self.me
            };
            if !self.keeps(Rule::TombsAfterIntent) {
                me.tombs = self.tombs_of(named);
            }
            if !self.keeps(Rule::IndexAskedOfListing) {
                me.pack = state.packs[self.plan.home];
            }
            self.push_with(next, "P0 lists marks", named, me, state);
        }
    }

    /// P1: the intent is visible.
    fn intent(&self, next: &mut Next) {
        let rule = match self.plan.role {
            Role::Sync | Role::Follow => Rule::IntentOfSync,
            _ => Rule::IntentOfBackup,
        };
        let mut state = *self.state;
        let late = !self.keeps(Rule::TombsAfterIntent);
        let me = Session {
            step: if late { at::LIST } else { at::TOMBS },
            ..self.me
        };
        if self.keeps(rule) {
            state.intents |= one(self.number);
        }
        self.push_with(
            next,
            "P1 puts its intent, which names marks",
            me.named,
            me,
            state,
        );
    }

    /// What is tombed for this session, which sees these marks here.
    fn tombs_of(&self, seen: u8) -> u8 {
        let state = self.state;
        let seen = seen | self.me.named;
        match self.plan.role {
            Role::Sync | Role::Follow if !self.keeps(Rule::TombsInSync) => 0,
            Role::Sync | Role::Follow if !self.keeps(Rule::TombsOfTarget) => {
                state.tombs(state.shown[self.other()])
            }
            Role::Sync | Role::Follow => state.tombs(seen | self.source_marks()),
            _ if !self.keeps(Rule::TombsInBackup) => 0,
            _ => state.tombs(seen),
        }
    }

    fn source_marks(&self) -> u8 {
        match self.keeps(Rule::TombsOfSource) {
            true => self.state.shown[self.other()],
            false => 0,
        }
    }

    /// P2 and S3: reads marks.
    fn tombs(&self, next: &mut Next) {
        let mut shown = self.marks_shown();
        if self.keeps(Rule::TombsTwice) {
            // Two listings, one of which may be short, show everything.
            shown.truncate(1);
        }
        for (seen, state) in shown {
            let warned = seen & state.loss_marks != 0;
            let mut me = Session {
                step: at::LIST,
                tombs: self.tombs_of(seen),
                warned,
                ..self.me
            };
            let purged = state.purged(seen | self.me.named) & one(me.entry) != 0;
            let rule = match self.plan.role {
                Role::Undelete(_) => Rule::UndeleteRefused,
                _ => Rule::EntryTombsInSync,
            };
            if purged
                && !matches!(self.plan.role, Role::Backup(_) | Role::Follow)
                && self.keeps(rule)
            {
                let me = Session {
                    step: at::END,
                    ..me
                };
                self.push_with(
                    next,
                    "P2 finds a mark that names entry",
                    one(me.entry),
                    me,
                    state,
                );
                continue;
            }
            if !self.keeps(Rule::VouchAfterListing) {
                me.stood &= self.stands();
            }
            self.push_with(next, "P2 reads marks", seen, me, state);
        }
    }

    /// P3: lists packs and asks what is there.
    fn list(&self, next: &mut Next) {
        let all = self.state.packs[self.plan.home];
        self.listed(next, all, *self.state);
        let mut unlucky = *self.state;
        if unlucky.luck.shorts > 0 && !self.keeps(Rule::MissingAskedByName) {
            unlucky.luck.shorts -= 1;
            for pack in members(all & self.me.tombs) {
                self.listed(next, all & !one(pack), unlucky);
            }
        }
    }

    fn listed(&self, next: &mut Next, packs: u8, mut state: State) {
        let mut me = self.me;
        let rows = if self.keeps(Rule::IndexAskedOfListing) {
            packs
        } else {
            me.pack
        };
        let leant = rows & !me.tombs;
        let needs = self.config.needs[me.entry as usize];
        me.pack = if self.plan.role == Role::Follow {
            leant
        } else {
            0
        };
        me.missing = needs & !state.blobs(leant);
        me.progress = packs & me.tombs != 0;
        if leant & state.tombs(me.named) & packs != 0 {
            state.sins |= 2;
        }
        let undelete = matches!(self.plan.role, Role::Undelete(_));
        let travels = matches!(self.plan.role, Role::Sync)
            && state.committed[self.plan.home] & one(me.entry) != 0;
        if (undelete && !self.keeps(Rule::UndeleteAsks))
            || (travels && !self.keeps(Rule::UndeleteTravels))
        {
            me.missing = 0;
        }
        me.step = if me.missing == 0 {
            at::COMMIT
        } else {
            at::PACK
        };
        if self.plan.parent.is_some() && me.step == at::PACK {
            me.step = at::AGAIN;
        }
        if self.plan.role == Role::Follow {
            me.step = at::FOLLOW;
        }
        self.push_with(next, "P3 lists packs", packs, me, state);
    }

    /// S4 beside a backup on the other mirror: copies its packs as they come, whatever marks say, and leans on those
    /// that no mark names; when it has committed, asks for what its entry needs.
    fn follow(&self, next: &mut Next) {
        let (state, home, me) = (self.state, self.plan.home, self.me);
        for pack in members(state.packs[self.other()] & !state.packs[home]) {
            let mut after = *state;
            after.packs[home] |= one(pack);
            let me = Session {
                pack: me.pack | (one(pack) & !me.tombs),
                ..me
            };
            self.push_with(
                next,
                "follows the leader and copies pack",
                one(pack),
                me,
                after,
            );
        }
        for entry in members(state.live(self.other()) & !state.committed[home]) {
            let missing = self.config.needs[entry as usize] & !state.blobs(me.pack);
            let step = match (missing, self.plan.parent) {
                (0, _) => at::COMMIT,
                (_, Some(_)) => at::AGAIN,
                (_, None) => at::PACK,
            };
            let me = Session {
                step,
                entry,
                missing,
                pack: 0,
                ..me
            };
            self.push(next, "the leader has committed entry", one(entry), me);
        }
    }

    /// P4: whether the parent stands.
    fn look_again(&self, next: &mut Next) {
        let asks = self.keeps(Rule::VouchAfter) && self.keeps(Rule::VouchAfterListing);
        self.ask_parent(next, self.stands() || !asks, *self.state);
        let mut unlucky = *self.state;
        if unlucky.luck.shorts > 0 && !self.keeps(Rule::VouchTwice) {
            unlucky.luck.shorts -= 1;
            let parent = self.plan.parent.map_or(0, one);
            // The name that is missing is that of the removal.
            self.ask_parent(
                next,
                unlucky.committed[self.plan.home] & parent != 0,
                unlucky,
            );
        }
    }

    /// P4: whether the parent vouches for the blobs that it needs.
    fn ask_parent(&self, next: &mut Next, stands: bool, mut state: State) {
        let (mut me, home) = (self.me, self.plan.home);
        let parent = self.plan.parent.unwrap_or_default();
        let warned = me.warned && state.knows & one(parent) == 0;
        let vouches = me.stood
            && stands
            && !(me.progress && self.keeps(Rule::VouchProgress))
            && !(warned && self.keeps(Rule::VouchLosses));
        if vouches {
            me.missing &= !self.config.needs[parent as usize];
            if !me.warned && state.excused[home] & one(parent) != 0 {
                state.excused[home] |= one(me.entry);
            }
        }
        me.step = if me.missing == 0 {
            at::COMMIT
        } else {
            at::PACK
        };
        let what = match vouches {
            true => "P4 looks again: vouched; to bring",
            false => "P4 looks again: not vouched; to bring",
        };
        self.push_with(next, what, me.missing, me, state);
    }

    /// P5: packs what is missing. An undelete seals anew what it finds in any pack there.
    fn pack(&self, next: &mut Next) {
        let (mut state, home) = (*self.state, self.plan.home);
        let there = state.blobs(state.packs[home]);
        if matches!(self.plan.role, Role::Undelete(_)) && self.me.missing & !there != 0 {
            return;
        }
        let Some(pack) = state.name(self.me.missing) else {
            return;
        };
        let done = Session {
            step: at::COMMIT,
            missing: 0,
            ..self.me
        };
        let mut unanswered = state;
        state.packs[home] |= one(pack);
        self.push_with(next, "P5 puts pack", one(pack), done, state);
        if unanswered.luck.lates > 0 {
            unanswered.luck.lates -= 1;
            unanswered.coming[home] |= one(pack);
            let me = if self.keeps(Rule::Barrier) {
                self.me
            } else {
                done
            };
            self.push_with(
                next,
                "P5 puts pack, without an answer,",
                one(pack),
                me,
                unanswered,
            );
        }
    }

    /// P5: another intent. Where the rule is kept it says what the first one said, and nothing changes.
    fn renew(&self, next: &mut Next) {
        let named = self.state.shown[self.plan.home];
        if !self.keeps(Rule::RenewalNames) && named != self.me.named {
            let me = Session { named, ..self.me };
            self.push(next, "P5 renews its intent, which names marks", named, me);
        }
    }

    /// S4: chooses a pack to copy; if only tombed ones have it, seals anew.
    fn choose(&self, next: &mut Next) {
        let (mut state, me) = (*self.state, self.me);
        let there = state.packs[self.other()];
        let useful = |pack: &u8| state.holds[*pack as usize] & me.missing != 0;
        let copied: Vec<u8> = members(there & !me.tombs).filter(useful).collect();
        for pack in &copied {
            let me = Session {
                step: at::CARRY,
                pack: *pack,
                ..me
            };
            self.push(next, "S4 fetches pack", one(*pack), me);
        }
        let found = state.blobs(there) & me.missing;
        if !copied.is_empty() || found == 0 {
            return;
        }
        if let Some(pack) = state.name(found) {
            state.packs[self.plan.home] |= one(pack);
            let me = self.brought(found);
            self.push_with(next, "S4 seals anew and puts pack", one(pack), me, state);
        }
    }

    fn brought(&self, blobs: u8) -> Session {
        let missing = self.me.missing & !blobs;
        let step = if missing == 0 { at::COMMIT } else { at::PACK };
        Session {
            step,
            missing,
            pack: 0,
            ..self.me
        }
    }

    /// S4: the copy lands.
    fn carry(&self, next: &mut Next) {
        let (mut state, pack) = (*self.state, self.me.pack);
        if state.packs[self.other()] & one(pack) == 0 {
            let me = Session {
                step: at::PACK,
                pack: 0,
                ..self.me
            };
            return self.push(next, "S4 finds that the source lost pack", one(pack), me);
        }
        let me = self.brought(state.holds[pack as usize]);
        let mut unanswered = state;
        state.packs[self.plan.home] |= one(pack);
        if state.tombs(me.named) & one(pack) != 0 {
            state.sins |= 2;
        }
        self.push_with(next, "S4 puts the copy of pack", one(pack), me, state);
        if unanswered.luck.lates > 0 {
            unanswered.luck.lates -= 1;
            unanswered.coming[self.plan.home] |= one(pack);
            let again = Session {
                step: at::PACK,
                pack: 0,
                ..self.me
            };
            let me = if self.keeps(Rule::Barrier) { again } else { me };
            self.push_with(
                next,
                "S4 puts the copy of pack, without an answer,",
                one(pack),
                me,
                unanswered,
            );
        }
    }

    /// P8: the slot decides.
    fn commit(&self, next: &mut Next) {
        let end = Session {
            step: at::END,
            ..self.me
        };
        match decide(self.config, self.state, self.number) {
            Some(state) => self.push_with(next, "P8 COMMITS entry", one(self.me.entry), end, state),
            None => self.push(
                next,
                "P8 finds ABORT and gives up entry",
                one(self.me.entry),
                end,
            ),
        }
        let mut unanswered = *self.state;
        if unanswered.luck.lates > 0 {
            unanswered.luck.lates -= 1;
            unanswered.asked |= one(self.number);
            if !self.keeps(Rule::IntentStays) {
                unanswered.intents &= !one(self.number);
            }
            self.push_with(
                next,
                "P8 asks for its slot and gets no answer for entry",
                one(self.me.entry),
                end,
                unanswered,
            );
        }
    }
}

/// The world after the COMMIT of this session, unless an ABORT is in its way.
fn decide(config: &Config, state: &State, number: u8) -> Option<State> {
    let mut state = *state;
    let (plan, me) = (
        config.sessions[number as usize],
        state.sessions[number as usize],
    );
    if state.aborts & one(number) != 0 {
        if config.keeps(Rule::CommitYields) && config.cas[plan.home] {
            return None;
        }
        state.sins |= 1;
        state.aborts &= !one(number);
    }
    state.commits |= one(number);
    let entry = one(me.entry);
    let taken_back = match plan.role {
        Role::Undelete(_) => true,
        Role::Sync | Role::Follow => state.restored[1 - plan.home] & entry != 0,
        Role::Backup(_) => false,
    };
    if matches!(plan.role, Role::Backup(_)) && me.warned {
        state.knows |= entry;
    }
    state.committed[plan.home] |= entry;
    if taken_back {
        state.restored[plan.home] |= entry;
    }
    Some(state)
}

/// Puts and deletes that gave no answer take effect.
pub(super) fn late(config: &Config, state: &State, next: &mut Next) {
    for mirror in [0, 1] {
        for pack in members(state.coming[mirror]) {
            let mut after = *state;
            after.coming[mirror] &= !one(pack);
            after.packs[mirror] |= one(pack);
            next.push(
                Who::Store(mirror),
                "a late put takes effect: pack",
                one(pack),
                after,
            );
        }
        for pack in members(state.leaving[mirror]) {
            let mut after = *state;
            after.leaving[mirror] &= !one(pack);
            after.packs[mirror] &= !one(pack);
            next.push(
                Who::Store(mirror),
                "a late delete takes effect: pack",
                one(pack),
                after,
            );
        }
    }
    for number in members(state.asked) {
        let mut after = decide(config, state, number).unwrap_or(*state);
        after.asked &= !one(number);
        let what = "a late commit slot is decided: session";
        next.push(
            Who::Store(config.sessions[number as usize].home),
            what,
            one(number),
            after,
        );
    }
}
