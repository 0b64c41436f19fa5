//! Rules as lines that people read.

use super::Node;
use crate::digits::digits;
use crate::model::Model;

/// One way through the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// Place in `Model::segments`
    pub segment: usize,
    /// "maker_ratio > 0.93 and (volume_usd <= 12400 or unknown)"; "always" for a tree without a question
    pub text: String,
}

impl Model {
    /// Every rule of the surrogate in the order of its leaves, values exact; empty where there are no rules. A missing value
    /// counts as the side that says "or unknown".
    pub fn rule_lines(&self) -> Vec<RuleLine> {
        let Some(rules) = self.rules() else { return Vec::new() };
        let names = self.feature_names();
        let mut lines = Vec::new();
        let mut open: Vec<(usize, Vec<String>)> = vec![(0, Vec::new())];
        while let Some((at, said)) = open.pop() {
            match rules.nodes[at] {
                Node::Leaf { segment } => {
                    let text = if said.is_empty() { "always".to_string() } else { said.join(" and ") };
                    lines.push(RuleLine { segment, text });
                }
                Node::Split { feature, at_most, missing_low, low, high } => {
                    let side = |sign: &str, unknown: bool| {
                        let question = format!("{} {sign} {}", names[feature], digits(at_most));
                        let mut said = said.clone();
                        said.push(if unknown { format!("({question} or unknown)") } else { question });
                        said
                    };
                    open.push((high, side(">", !missing_low)));
                    open.push((low, side("<=", missing_low)));
                }
            }
        }
        lines
    }
}
