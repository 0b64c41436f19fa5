-- What a fit may use.

CREATE FUNCTION segmentation.catalogue_of_algorithms()
  RETURNS TABLE(algorithm text, meaning text, takes_k boolean, new_rows boolean, soft boolean, noise boolean,
                explains boolean, explains_without_pca boolean, counterfactuals boolean, max_rows bigint, settings text[])
  AS 'MODULE_PATHNAME', 'segmentation_catalogue_of_algorithms' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 12;
COMMENT ON FUNCTION segmentation.catalogue_of_algorithms() IS 'The rows of the view segmentation.algorithms.';

CREATE VIEW segmentation.algorithms AS
SELECT c.algorithm, c.meaning, c.takes_k, c.new_rows, c.soft, c.noise, c.explains, c.explains_without_pca, c.counterfactuals, c.max_rows, c.settings
FROM segmentation.catalogue_of_algorithms() c;
COMMENT ON VIEW segmentation.algorithms IS 'Every algorithm of fit_segmentation: whether k is an argument (otherwise it finds the number of segments), whether accounts that were not in the fit get a segment, whether segment_probabilities answers, whether an account may belong to no segment, whether explain_segment answers with principal components (as the default preparation makes them) and without them ({"pca": null}), whether counterfactual_segment answers, most accounts of a fit (NULL: memory decides), and the keys of its settings.';
GRANT SELECT ON segmentation.algorithms TO PUBLIC;
