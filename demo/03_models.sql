--
-- Act 3: why believe a model, and what happens to it.
--
-- The six segments of act 2. Is each of them found again when the accounts are
-- drawn anew, 100 times? (Mean Jaccard similarity; above 0.85 is highly stable.)
--
SELECT segment, round(value::numeric, 3) AS jaccard, verdict
FROM segmentation_stability('venue') WHERE figure LIKE 'jaccard%' ORDER BY segment_id;

--
-- The account that is nearest to a border. Why is it where it is, and not in the
-- runner-up? The contributions of all features add up to the lead: the difference
-- of two squared distances.
--
SELECT account AS acct, segment, round(margin::numeric, 3) AS margin FROM venue_segments ORDER BY margin LIMIT 1 \gset
\echo :acct is in :segment, margin :margin
SELECT other_segment, feature, reading, round(contribution::numeric, 2) AS contribution
FROM explain_segment(:'acct'::text, 'venue') LIMIT 4;
SELECT abs(sum(contribution) - max(lead)) < 1e-9 AS they_add_up FROM explain_segment(:'acct'::text, 'venue');

--
-- What would have to change for another segment?
--
SELECT feature, round(value::numeric, 2) AS value, round(needed::numeric, 2) AS needed, new_segment
FROM counterfactual_segment(:'acct'::text, segmentation => 'venue') LIMIT 3;

--
-- The segments as rules, for people and for systems that only know SQL. The
-- fidelity says how often they agree with the model on accounts held out: three
-- questions are not enough for six segments, and that is said too.
--
SELECT segment, rule, round(precision_held_out::numeric, 2) AS precision, round(fidelity::numeric, 2) AS fidelity, verdict
FROM segment_rules('venue');

--
-- A name that people know stays, whatever the next fit would call the segment.
--
SELECT rename_segment('venue', segment_id, 'perpetual traders')
FROM segmentation.segments WHERE segmentation = 'venue' AND segment LIKE 'high perpetual share%';

--
-- The nightly refit: another seed, the same segments, ids and names.
--
SELECT segment_id, segment, accounts FROM fit_segmentation('venue', seed => 77);

--
-- A refit that would change most labels is stored and not used: somebody has to
-- look at it. compare_models shows who would go where.
--
SELECT segment_id, segment, accounts, warnings[1] AS warning FROM fit_segmentation('venue', k => 2);
SELECT segment_a, segment_b, moves, accounts, round(volume_usd) AS volume_usd FROM compare_models('venue', 2, 3) ORDER BY 1, 2;
SELECT reject_model('venue', 3, 'two segments say too little');

--
-- Back to the first model, and every step on record: who, when and why.
--
SELECT rollback_model('venue', reason => 'only a demonstration');
SELECT number, version, event, from_state, to_state, by, reason FROM segmentation.events WHERE segmentation = 'venue' ORDER BY number;

--
-- A model can be computed again from what was written down of it.
--
SELECT * FROM reproduce_model('venue', 1);
