//! Names that many things mention, each text in memory once.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts below which nobody looks for ones that are used no more.
const FEW: usize = 1024;

/// All texts that are in use, and at most as many again, or [`FEW`], that were.
#[derive(Debug)]
pub(crate) struct Shared {
    /// With their hashes, so that no packet pays for hashing all of them when the table grows.
    texts: HashTable<(u64, Arc<str>)>,
    hasher: RandomState,
    sweep_at: usize,
}

impl Default for Shared {
    fn default() -> Self {
        Self { texts: HashTable::new(), hasher: RandomState::default(), sweep_at: FEW }
    }
}

impl Shared {
    /// The one copy of `text`.
    pub(crate) fn share(&mut self, text: &str) -> Arc<str> {
        let hash = self.hasher.hash_one(text);
        if let Some((_, known)) = self.texts.find(hash, |(_, known)| **known == *text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= self.sweep_at {
            self.texts.retain(|(_, text)| Arc::strong_count(text) > 1);
            self.sweep_at = (2 * self.texts.len()).max(FEW);
        }
        let text: Arc<str> = text.into();
        self.texts.insert_unique(hash, (hash, Arc::clone(&text)), |(hash, _)| *hash);
        text
    }

    /// Whoever has this one needs it no more: the text is forgotten if nobody else does.
    pub(crate) fn release(&mut self, text: &Arc<str>) {
        // The one that goes, and the one in the set.
        if Arc::strong_count(text) == 2
            && let Ok(last) =
                self.texts.find_entry(self.hasher.hash_one(&**text), |(_, known)| Arc::ptr_eq(known, text))
        {
            last.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_in_memory_once_and_goes_with_the_last_who_needs_it() {
        let mut shared = Shared::default();
        let (a, b) = (shared.share("a.example"), shared.share("a.example"));
        assert!(Arc::ptr_eq(&a, &b));
        shared.release(&a);
        drop(a);
        assert_eq!(shared.texts.len(), 1);
        shared.release(&b);
        assert_eq!(shared.texts.len(), 0);
    }

    #[test]
    fn texts_that_were_dropped_elsewhere_go_before_they_are_many() {
        let mut shared = Shared::default();
        let kept: Vec<_> = (0..100).map(|n| shared.share(&format!("kept{n}"))).collect();
        for n in 0..10 * FEW {
            drop(shared.share(&format!("dropped{n}")));
            assert!(shared.texts.len() <= FEW + 1);
        }
        assert!(kept.iter().all(|text| Arc::ptr_eq(text, &shared.share(text))));
    }
}
