//! Which process began which, as a nested list is written.

use super::{Process, Proof};
use std::collections::{BTreeMap, BTreeSet};

/// Deeper than this the list nests no further.
const DEEPEST: usize = 24;

/// A part of the nested list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A list begins.
    Down,
    /// A process begins; what it began follows before [`Step::End`].
    Begin(Box<Proof>),
    End,
    /// A list ends.
    Up,
}

/// The processes among the evidence as a tree. A parent that Microsoft only names stands in it too.
pub fn of(processes: Vec<Proof>) -> Vec<Step> {
    if processes.is_empty() {
        return Vec::new();
    }
    let (nodes, parents) = with_parents(processes);
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (node, parent) in parents.iter().enumerate() {
        children.entry(*parent).or_default().push(node);
    }
    for siblings in children.values_mut() {
        siblings.sort_by_key(|node| nodes[*node].process.as_ref().and_then(|process| process.started.clone()));
    }
    written(&nodes, &children)
}

/// A process of which others tell: its device, its id, its name.
type Named = (Option<String>, Option<String>, String);

/// All processes, and the parent of each.
fn with_parents(mut nodes: Vec<Proof>) -> (Vec<Proof>, Vec<Option<usize>>) {
    let seen = nodes.len();
    let mut parents = vec![None; seen];
    let mut named: BTreeMap<Named, usize> = BTreeMap::new();
    for node in 0..seen {
        let Some(process) = nodes[node].process.clone() else { continue };
        let known = (0..seen).find(|other| *other != node && nodes[*other].process.as_ref().is_some_and(|other| other.began(&process)));
        if known.is_some() {
            parents[node] = known.filter(|parent| !leads_to(&parents, *parent, node));
        } else if let Some(name) = &process.parent_name {
            let key = (process.device.clone(), process.parent.clone(), name.clone());
            let at = *named.entry(key).or_insert_with(|| {
                nodes.push(Proof::named(name, process.parent.as_deref()));
                nodes.len() - 1
            });
            parents[node] = Some(at);
        }
    }
    parents.resize(nodes.len(), None);
    (nodes, parents)
}

/// Whether going up from a node comes to another: process ids are used again, and a record may say anything.
fn leads_to(parents: &[Option<usize>], from: usize, to: usize) -> bool {
    let mut been = BTreeSet::new();
    let mut at = Some(from);
    while let Some(node) = at {
        if node == to || !been.insert(node) {
            return true;
        }
        at = parents.get(node).copied().flatten(); // one that is only named has none
    }
    false
}

impl Process {
    /// Whether it began the other: by the process id, on the same device, at the time that the other says.
    fn began(&self, other: &Process) -> bool {
        let agree = |a: &Option<String>, b: &Option<String>| a.as_ref().zip(b.as_ref()).is_none_or(|(a, b)| a == b);
        self.id.is_some() && self.id == other.parent && agree(&self.device, &other.device) && agree(&self.started, &other.parent_started)
    }
}

fn written(nodes: &[Proof], children: &BTreeMap<Option<usize>, Vec<usize>>) -> Vec<Step> {
    enum Left {
        Node(usize, usize),
        Is(Step),
    }
    let mut steps = vec![Step::Down];
    let mut left = vec![Left::Is(Step::Up)];
    let of = |parent: Option<usize>| children.get(&parent).into_iter().flatten().rev();
    left.extend(of(None).map(|node| Left::Node(*node, 1)));
    while let Some(next) = left.pop() {
        match next {
            Left::Is(step) => steps.push(step),
            Left::Node(node, depth) => {
                steps.push(Step::Begin(Box::new(nodes[node].clone())));
                let theirs: Vec<Left> = of(Some(node)).map(|child| Left::Node(*child, depth + 1)).collect();
                if theirs.is_empty() {
                    steps.push(Step::End);
                } else if depth < DEEPEST {
                    steps.push(Step::Down);
                    left.push(Left::Is(Step::End));
                    left.push(Left::Is(Step::Up));
                    left.extend(theirs);
                } else {
                    steps.push(Step::End);
                    left.extend(theirs);
                }
            }
        }
    }
    steps
}
