//! What waits, in the order in which it came: in all, and of each group. The oldest of either is found at once, however
//! many there are, so a full table makes room at the cost of one entry.

use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// The ends of a list of positions.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    oldest: Option<u32>,
    newest: Option<u32>,
    len: usize,
}

/// Neighbours in a list.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    older: Option<u32>,
    newer: Option<u32>,
}

#[derive(Debug)]
struct Slot<G, T> {
    group: G,
    value: T,
    /// In the list of all, and in that of the group.
    links: [Link; 2],
}

/// Values in order of [`push`](Self::push) and [`renew`](Self::renew). Each keeps its position until it is removed.
#[derive(Debug)]
pub(crate) struct Queue<G, T> {
    slots: Vec<Option<Slot<G, T>>>,
    free: Vec<u32>,
    all: Ends,
    groups: HashMap<G, Ends, RandomState>,
}

impl<G, T> Default for Queue<G, T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), all: Ends::default(), groups: HashMap::default() }
    }
}

impl<G: Copy + Eq + Hash, T> Queue<G, T> {
    pub(crate) fn len(&self) -> usize {
        self.all.len
    }

    pub(crate) fn len_of(&self, group: G) -> usize {
        self.groups.get(&group).map_or(0, |ends| ends.len)
    }

    pub(crate) fn oldest(&self) -> Option<u32> {
        self.all.oldest
    }

    pub(crate) fn oldest_of(&self, group: G) -> Option<u32> {
        self.groups.get(&group)?.oldest
    }

    /// The values of a group and their positions, the newest first.
    pub(crate) fn of(&self, group: G) -> impl Iterator<Item = (u32, &T)> {
        let mut next = self.groups.get(&group).and_then(|ends| ends.newest);
        std::iter::from_fn(move || {
            let at = next?;
            let slot = self.slot(at)?;
            next = slot.links[1].older;
            Some((at, &slot.value))
        })
    }

    /// All values and their positions, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let mut next = self.all.oldest;
        std::iter::from_fn(move || {
            let at = next?;
            let slot = self.slot(at)?;
            next = slot.links[0].newer;
            Some((at, &slot.value))
        })
    }

    /// All values, in no order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().flatten().map(|slot| &mut slot.value)
    }

    pub(crate) fn get(&self, at: u32) -> Option<(G, &T)> {
        self.slot(at).map(|slot| (slot.group, &slot.value))
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.slots.get_mut(at as usize)?.as_mut().map(|slot| &mut slot.value)
    }

    /// One more, the newest. Returns its position.
    pub(crate) fn push(&mut self, group: G, value: T) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        self.put(at, Slot { group, value, links: [Link::default(); 2] });
        at
    }

    /// Makes it the newest.
    pub(crate) fn renew(&mut self, at: u32) {
        if let Some(slot) = self.take(at) {
            self.put(at, slot);
        }
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<(G, T)> {
        let slot = self.take(at)?;
        self.free.push(at);
        Some((slot.group, slot.value))
    }

    fn slot(&self, at: u32) -> Option<&Slot<G, T>> {
        self.slots.get(at as usize)?.as_ref()
    }

    /// Puts `slot` at the free position `at`, behind all others.
    fn put(&mut self, at: u32, mut slot: Slot<G, T>) {
        let ends = [&mut self.all, self.groups.entry(slot.group).or_default()];
        for (list, ends) in ends.into_iter().enumerate() {
            let older = ends.newest.replace(at);
            ends.oldest = ends.oldest.or(Some(at));
            ends.len += 1;
            slot.links[list] = Link { older, newer: None };
            if let Some(link) = link(&mut self.slots, list, older) {
                link.newer = Some(at);
            }
        }
        if let Some(place) = self.slots.get_mut(at as usize) {
            *place = Some(slot);
        }
    }

    fn take(&mut self, at: u32) -> Option<Slot<G, T>> {
        let slot = self.slots.get_mut(at as usize)?.take()?;
        let Some(of_group) = self.groups.get_mut(&slot.group) else { return Some(slot) };
        let mut empty = false;
        for (list, ends) in [&mut self.all, of_group].into_iter().enumerate() {
            let Link { older, newer } = slot.links[list];
            match link(&mut self.slots, list, older) {
                Some(link) => link.newer = newer,
                None => ends.oldest = newer,
            }
            match link(&mut self.slots, list, newer) {
                Some(link) => link.older = older,
                None => ends.newest = older,
            }
            ends.len -= 1;
            empty = ends.len == 0;
        }
        if empty {
            self.groups.remove(&slot.group);
        }
        Some(slot)
    }
}

fn link<G, T>(slots: &mut [Option<Slot<G, T>>], list: usize, at: Option<u32>) -> Option<&mut Link> {
    slots.get_mut(at? as usize)?.as_mut()?.links.get_mut(list)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_list_of_all_and_of_each_group_whatever_is_done_to_it(
            steps in prop::collection::vec((0..4_u8, 0..4_u8, any::<prop::sample::Index>()), 1..200)
        ) {
            let mut queue = Queue::default();
            let mut model: Vec<(u32, u8, usize)> = Vec::new();
            for (n, (step, group, which)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let at = queue.push(group, n);
                        prop_assert!(model.iter().all(|known| known.0 != at));
                        model.push((at, group, n));
                    }
                    2 if !model.is_empty() => {
                        let (at, group, value) = model.remove(which.index(model.len()));
                        prop_assert_eq!(queue.remove(at), Some((group, value)));
                        prop_assert_eq!(queue.remove(at), None);
                    }
                    3 if !model.is_empty() => {
                        let known = model.remove(which.index(model.len()));
                        queue.renew(known.0);
                        model.push(known);
                    }
                    _ => {}
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.oldest(), model.first().map(|known| known.0));
                for group in 0..4 {
                    let of: Vec<_> = model.iter().filter(|known| known.1 == group).collect();
                    prop_assert_eq!(queue.len_of(group), of.len());
                    prop_assert_eq!(queue.oldest_of(group), of.first().map(|known| known.0));
                    let newest_first: Vec<_> = of.iter().rev().map(|known| (known.0, known.2)).collect();
                    prop_assert_eq!(queue.of(group).map(|(at, &n)| (at, n)).collect::<Vec<_>>(), newest_first);
                }
                prop_assert!(queue.groups.len() <= 4 && queue.groups.values().all(|ends| ends.len > 0));
            }
        }
    }
}
