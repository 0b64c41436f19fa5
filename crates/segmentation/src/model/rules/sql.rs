//! Rules as SQL that any PostgreSQL runs, without this extension.

use super::{Node, Rules};
use crate::digits::digits;
use crate::model::Model;
use crate::prepare::FeatureSpec;

/// As PostgreSQL's `quote_ident` would, but always in quotes: no name is a keyword then.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As PostgreSQL's `quote_literal`: right whatever `standard_conforming_strings` is.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

fn number(x: f64) -> String {
    format!("'{}'::double precision", digits(x))
}

impl Rules {
    /// One `CASE` expression over SQL of each feature; `answers` has a text a segment.
    ///
    /// NULL, NaN and ±infinity are missing and go where the node says. PostgreSQL takes NaN for larger than every number, and a
    /// comparison with NULL is not true: so a side that missing values do not belong to is the one that is asked for, and the
    /// comparison with an infinity keeps the rest of them out.
    fn sql(&self, columns: &[String], answers: &[String]) -> String {
        self.case(0, 0, columns, answers)
    }

    fn case(&self, node: usize, depth: usize, columns: &[String], answers: &[String]) -> String {
        let (feature, at_most, missing_low, low, high) = match self.nodes[node] {
            Node::Leaf { segment } => return answers[segment].clone(),
            Node::Split { feature, at_most, missing_low, low, high } => (feature, at_most, missing_low, low, high),
        };
        let column = &columns[feature];
        let threshold = number(at_most);
        let (condition, asked, rest) = if missing_low {
            (format!("{column} > {threshold} AND {column} < 'Infinity'::double precision"), high, low)
        } else {
            (format!("{column} <= {threshold} AND {column} > '-Infinity'::double precision"), low, high)
        };
        let indent = "  ".repeat(depth + 1);
        let side = |node: usize| match self.nodes[node] {
            Node::Leaf { segment } => answers[segment].clone(),
            Node::Split { .. } => format!("{}\n{indent}", self.case(node, depth + 1, columns, answers)),
        };
        let (asked, rest) = (side(asked), side(rest));
        let end = "  ".repeat(depth);
        format!("CASE WHEN {condition}\n{indent}THEN {}\n{indent}ELSE {}\n{end}END", asked.trim_end(), rest.trim_end())
    }
}

/// A feature as SQL over columns that a table can have: that of a category's value asks the category's own column.
fn operand(spec: &FeatureSpec) -> String {
    let value = spec.block.as_ref().and_then(|block| Some((block, spec.name.strip_prefix(block)?.strip_prefix('=')?)));
    match value {
        Some((block, value)) => {
            format!("({}::text = {})::integer::double precision", identifier(block), literal(value))
        }
        None => identifier(&spec.name),
    }
}

impl Model {
    /// The surrogate rules as one SQL `CASE` expression that answers the segment's name: over columns of type `double
    /// precision` (or a type that is cast to it without being asked) named as the features, and for categories over the columns that
    /// they are values of. NULL, NaN and ±infinity are missing. None where there are no rules.
    pub fn rules_sql(&self) -> Option<String> {
        let answers: Vec<String> = self.segments.iter().map(|s| literal(&s.name)).collect();
        let columns: Vec<String> = self.preparation().columns().iter().map(|c| operand(&c.spec)).collect();
        Some(self.rules()?.sql(&columns, &answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Node, Rules};

    #[test]
    fn names_and_numbers_are_quoted() {
        assert_eq!(identifier("tier=\"gold\""), "\"tier=\"\"gold\"\"\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b'"), "E'a\\\\b'''");
        assert_eq!(number(1e300), "'1e300'::double precision");
    }

    #[test]
    fn a_category_is_asked_for_its_value() {
        let spec = |name: &str, block: Option<&str>| FeatureSpec {
            name: name.into(),
            block: block.map(str::to_string),
            ..FeatureSpec::default()
        };
        assert_eq!(
            operand(&spec("tier=it's=x", Some("tier"))),
            "(\"tier\"::text = 'it''s=x')::integer::double precision"
        );
        assert_eq!(operand(&spec("tier=gold", None)), "\"tier=gold\"");
    }

    #[test]
    fn missing_values_have_a_side() {
        let split = |feature, missing_low, low, high| Node::Split { feature, at_most: 2.5, missing_low, low, high };
        let nodes = vec![
            split(0, false, 1, 2),
            Node::Leaf { segment: 0 },
            split(1, true, 3, 4),
            Node::Leaf { segment: 1 },
            Node::Leaf { segment: 0 },
        ];
        let rules = Rules { grown_on: 0, held_out: 0, smallest: 0, fidelity: None, nodes, segments: Vec::new() };
        assert_eq!(
            rules.sql(&["\"a\"".into(), "\"b\"".into()], &["'x'".into(), "'y'".into()]),
            "CASE WHEN \"a\" <= '2.5'::double precision AND \"a\" > '-Infinity'::double precision\n  THEN 'x'\n  \
             ELSE CASE WHEN \"b\" > '2.5'::double precision AND \"b\" < 'Infinity'::double precision\n    THEN 'x'\n    \
             ELSE 'y'\n  END\nEND"
        );
        assert_eq!(rules.segment(&[f64::NAN, f64::NAN]), 1);
        assert_eq!(rules.segment(&[3.0, 3.0]), 0);
        assert_eq!(rules.segment(&[f64::NEG_INFINITY, f64::INFINITY]), 1);
        assert_eq!(rules.segment(&[2.5, 9.0]), 0);
    }
}
