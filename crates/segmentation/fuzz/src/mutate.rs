//! Changes to a JSON document that leave it one: bytes flipped at random hardly ever come past the parser.

use serde_json::{json, Value};

/// xorshift64*, from libFuzzer's seed: the same input and seed give the same change.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n.max(1)
    }
}

/// One to three changes; None where the bytes are no JSON.
pub fn json(data: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(data).ok()?;
    let mut random = Random(u64::from(seed) | 1 << 32);
    for _ in 0..=random.below(3) {
        let nodes = count(&document);
        let other = pick(&document, &mut random.below(nodes)).cloned().unwrap_or_default();
        change(&mut document, &mut random.below(nodes), &other, &mut random);
    }
    serde_json::to_vec(&document).ok()
}

fn children(node: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match node {
        Value::Array(a) => Box::new(a.iter()),
        Value::Object(m) => Box::new(m.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn count(node: &Value) -> usize {
    1 + children(node).map(count).sum::<usize>()
}

/// Node number `left` in the order of the text.
fn pick<'a>(node: &'a Value, left: &mut usize) -> Option<&'a Value> {
    if *left == 0 {
        return Some(node);
    }
    *left -= 1;
    children(node).find_map(|child| pick(child, left))
}

fn change(node: &mut Value, left: &mut usize, other: &Value, random: &mut Random) -> bool {
    if *left == 0 {
        damage(node, other, random);
        return true;
    }
    *left -= 1;
    match node {
        Value::Array(a) => a.iter_mut().any(|child| change(child, left, other, random)),
        Value::Object(m) => m.values_mut().any(|child| change(child, left, other, random)),
        _ => false,
    }
}

fn damage(node: &mut Value, other: &Value, random: &mut Random) {
    let edges = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-300, 5e-324, 1e119, 1e121, 1e300, -1e300, f64::MAX];
    let how = random.below(8);
    *node = match (how, node.take()) {
        (0, _) => Value::Null,
        (1, _) => other.clone(),
        (2, _) => json!(edges[random.below(edges.len())]),
        (3, _) => json!([0, 1, 2, 3, 1 << 31, 1 << 32, u64::MAX - 1, u64::MAX][random.below(8)]),
        (_, Value::Number(n)) => {
            let x = n.as_f64().unwrap_or(0.0);
            let next = f64::from_bits(x.to_bits().wrapping_add(1));
            let whole = n.as_i64().unwrap_or(0);
            match how {
                4 => json!(-x),
                5 => json!(x * [0.5, 2.0, 1e10, 1e-10, 1e100, 1e-100][random.below(6)]),
                6 => json!(if next.is_finite() { next } else { x }),
                _ => json!(whole.wrapping_add(random.below(3) as i64 - 1)),
            }
        }
        (_, Value::Array(mut a)) => {
            let at = random.below(a.len());
            match how {
                4 if !a.is_empty() => drop(a.remove(at)),
                5 if !a.is_empty() => a.insert(at, a[at].clone()),
                6 if a.len() > 1 => a.swap(0, at),
                _ => a.push(other.clone()),
            }
            Value::Array(a)
        }
        (_, Value::Object(mut m)) => {
            let key = m.keys().nth(random.below(m.len())).cloned().unwrap_or_default();
            match how {
                4 | 5 => drop(m.remove(&key)),
                _ => drop(m.insert(key, other.clone())),
            }
            Value::Object(m)
        }
        (4, Value::String(s)) => json!(s.repeat(2)),
        (5, Value::String(_)) => json!(""),
        (_, Value::Bool(b)) => json!(!b),
        (_, rest) => rest,
    };
}
