//! The graphs of a model: every value is made once, nothing waits for what nobody makes or for itself, and no graph lies
//! too deep within others.
//!
//! A graph within a node sees the values of the graphs around it. Graphs wait in a list with the place they belong to, so
//! that the walk never recurses. Nodes need not be in order; a cycle is what remains when every node that waits for
//! nothing has been taken away (Kahn 1962, "Topological sorting of large networks").

use std::collections::HashMap;

use super::super::protobuf::{Fields, Value};
use super::error::HostileError;
use super::node::{self, Node};
use super::{MOST_NESTED, MOST_NODES, shown, tensor};

/// Checks the main graph, and every graph within it.
pub(super) fn check(bytes: &[u8]) -> Result<(), HostileError> {
    let mut walk = Walk { scopes: Vec::new(), waiting: vec![Job { bytes, depth: 0, around: None }], nodes: 0 };
    while let Some(job) = walk.waiting.pop() {
        walk.graph(&job)?;
    }
    walk.scopes.iter().try_for_each(Scope::check_order)
}

struct Walk<'a> {
    scopes: Vec<Scope<'a>>,
    waiting: Vec<Job<'a>>,
    /// Of all graphs so far.
    nodes: usize,
}

/// A graph that is still to be checked.
struct Job<'a> {
    bytes: &'a [u8],
    depth: usize,
    /// The scope and the node in it that the graph belongs to.
    around: Option<(usize, usize)>,
}

/// What a graph makes.
#[derive(Default)]
struct Scope<'a> {
    around: Option<(usize, usize)>,
    /// Who makes each value: a node by its index, or none for inputs and tensors.
    values: HashMap<&'a [u8], Option<usize>>,
    /// Constants of a few integers.
    numbers: HashMap<&'a [u8], Vec<i64>>,
    nodes: Vec<Node<'a>>,
    /// From a node to one that waits for it.
    edges: Vec<(usize, usize)>,
}

impl<'a> Walk<'a> {
    fn graph(&mut self, job: &Job<'a>) -> Result<(), HostileError> {
        let mut scope = Scope { around: job.around, ..Scope::default() };
        let mut outputs = Vec::new();
        for field in Fields::of(job.bytes) {
            match field? {
                (1, Value::Bytes(bytes)) => {
                    self.nodes += 1;
                    if self.nodes > MOST_NODES {
                        let place = "the model".to_owned();
                        return Err(HostileError::Count { place, what: "nodes", limit: MOST_NODES });
                    }
                    scope.nodes.push(Node::read(bytes)?);
                }
                (5, Value::Bytes(bytes)) => scope.add_tensor(bytes)?,
                (11, Value::Bytes(bytes)) => drop(scope.values.insert(node::check_value(bytes)?, None)),
                (12, Value::Bytes(bytes)) => outputs.push(node::check_value(bytes)?),
                (13, Value::Bytes(bytes)) => drop(node::check_value(bytes)?),
                (15, Value::Bytes(_)) => {
                    return Err(HostileError::TensorForm { tensor: "of the graph".to_owned(), what: "sparse" });
                }
                _ => {}
            }
        }
        let here = self.scopes.len();
        let graphs = scope.add_nodes()?;
        self.scopes.push(scope);
        self.connect(here, &outputs)?;
        for (index, bytes) in graphs {
            if job.depth + 1 >= MOST_NESTED {
                let node = self.scopes[here].nodes[index].label();
                return Err(HostileError::Nesting { node, limit: MOST_NESTED });
            }
            self.waiting.push(Job { bytes, depth: job.depth + 1, around: Some((here, index)) });
        }
        Ok(())
    }

    /// Finds out who makes what each node and the graph itself use.
    fn connect(&mut self, here: usize, outputs: &[&'a [u8]]) -> Result<(), HostileError> {
        for index in 0..self.scopes[here].nodes.len() {
            // Taken out meanwhile, so that other scopes can be written to.
            let node = std::mem::take(&mut self.scopes[here].nodes[index]);
            for input in node.inputs.iter().filter(|input| !input.is_empty()) {
                if !self.resolve(here, index, input) {
                    return Err(HostileError::Missing { user: node.label(), value: shown(input) });
                }
            }
            node.check_growth(|name| self.numbers(here, name))?;
            self.scopes[here].nodes[index] = node;
        }
        for output in outputs {
            let is_there = match self.scopes[here].values.contains_key(output) {
                true => true,
                // A branch of If may hand on what lies around it.
                false => self.scopes[here].around.is_some_and(|(scope, node)| self.resolve(scope, node, output)),
            };
            if !is_there {
                return Err(HostileError::Missing { user: "the output".to_owned(), value: shown(output) });
            }
        }
        Ok(())
    }

    /// Whether somebody makes `name` for the node `user` of `scope`; notes that the node waits for it.
    fn resolve(&mut self, mut scope: usize, mut user: usize, name: &[u8]) -> bool {
        // Ends, because graphs are nested at most `MOST_NESTED` deep.
        loop {
            let found = self.scopes[scope].values.get(name).copied();
            if let Some(maker) = found {
                self.scopes[scope].edges.extend(maker.map(|maker| (maker, user)));
                return true;
            }
            match self.scopes[scope].around {
                Some(around) => (scope, user) = around,
                None => return false,
            }
        }
    }

    fn numbers(&self, mut scope: usize, name: &[u8]) -> Option<Vec<i64>> {
        loop {
            if self.scopes[scope].values.contains_key(name) {
                return self.scopes[scope].numbers.get(name).cloned();
            }
            scope = self.scopes[scope].around?.0;
        }
    }
}

impl<'a> Scope<'a> {
    fn add_tensor(&mut self, bytes: &'a [u8]) -> Result<(), HostileError> {
        let checked = tensor::check(bytes, "the graph")?;
        self.values.insert(checked.name, None);
        if let Some(numbers) = checked.numbers {
            self.numbers.insert(checked.name, numbers);
        }
        Ok(())
    }

    /// Checks every node and notes what it makes. Returns the graphs that nodes hold.
    fn add_nodes(&mut self) -> Result<Vec<(usize, &'a [u8])>, HostileError> {
        let mut graphs = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let inside = node.check()?;
            graphs.extend(inside.graphs.into_iter().map(|graph| (index, graph)));
            for output in node.outputs.iter().filter(|output| !output.is_empty()) {
                if self.values.insert(output, Some(index)).is_some() {
                    return Err(HostileError::MadeTwice { value: shown(output), node: node.label() });
                }
            }
            if let (true, Some(output), Some(numbers)) = (node.is_constant(), node.outputs.first(), inside.numbers) {
                self.numbers.insert(output, numbers);
            }
        }
        Ok(graphs)
    }

    fn check_order(&self) -> Result<(), HostileError> {
        let mut waits = vec![0usize; self.nodes.len()];
        let mut followers: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for &(maker, user) in &self.edges {
            waits[user] += 1;
            followers[maker].push(user);
        }
        let mut ready: Vec<usize> = (0..waits.len()).filter(|&node| waits[node] == 0).collect();
        while let Some(node) = ready.pop() {
            for &follower in &followers[node] {
                waits[follower] -= 1;
                if waits[follower] == 0 {
                    ready.push(follower);
                }
            }
        }
        match waits.iter().position(|&waits| waits > 0) {
            Some(stuck) => Err(HostileError::Cycle { node: self.nodes[stuck].label() }),
            None => Ok(()),
        }
    }
}
