//! The references of an image.

use std::ops::Deref;

use super::reference::Reference;

/// A set of references, in order. An image has one or two of them: a vector takes a fifth of a tree's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct References(Vec<Reference>);

impl References {
    /// Adds a reference; whether it was not there.
    pub fn insert(&mut self, reference: Reference) -> bool {
        let place = self.0.binary_search(&reference);
        if let Err(place) = place {
            self.0.insert(place, reference);
        }
        place.is_err()
    }

    /// Removes a reference; whether it was there.
    pub fn remove(&mut self, reference: &Reference) -> bool {
        let place = self.0.binary_search(reference);
        if let Ok(place) = place {
            self.0.remove(place);
        }
        place.is_ok()
    }

    /// Removes those that are not wanted.
    pub fn retain(&mut self, is_wanted: impl FnMut(&Reference) -> bool) {
        self.0.retain(is_wanted);
    }

    /// Removes all references.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Deref for References {
    type Target = [Reference];

    fn deref(&self) -> &[Reference] {
        &self.0
    }
}

impl Extend<Reference> for References {
    fn extend<I: IntoIterator<Item = Reference>>(&mut self, references: I) {
        for reference in references {
            self.insert(reference);
        }
        self.0.shrink_to_fit();
    }
}

impl FromIterator<Reference> for References {
    fn from_iter<I: IntoIterator<Item = Reference>>(references: I) -> Self {
        let mut set = Self::default();
        set.extend(references);
        set
    }
}

impl<const N: usize> From<[Reference; N]> for References {
    fn from(references: [Reference; N]) -> Self {
        references.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a References {
    type Item = &'a Reference;
    type IntoIter = std::slice::Iter<'a, Reference>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for References {
    type Item = Reference;
    type IntoIter = std::vec::IntoIter<Reference>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_a_set_in_order() {
        let [first, second]: [Reference; 2] = ["docker-snmp:1", "docker-snmp:2"].map(|text| text.parse().unwrap());
        let mut references: References = [second.clone(), first.clone(), second.clone()].into();
        assert_eq!(references[..], [first.clone(), second.clone()]);
        assert!(!references.insert(first.clone()) && references.remove(&first) && !references.remove(&first));
        assert_eq!(references, [second].into());
    }
}
