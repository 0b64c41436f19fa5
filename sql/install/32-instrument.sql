-- What the names of instruments say.

CREATE FUNCTION parse_instrument(name text, format text DEFAULT 'auto')
  RETURNS TABLE(kind text, underlying text, quote text, inverse boolean, expiry timestamptz, strike float8,
                option_type text, reason text)
  AS 'MODULE_PATHNAME', 'segmentation_parse_instrument' LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION parse_instrument(text, text) IS
  'What the name of an instrument says, always in one row. format: deribit, okx, binance, plain (pairs) or auto, which answers where all that read the name read the same (else 22023). inverse: settled in the coin, an option''s premium too. A name that is not read has NULLs and the reason: unknown format, unknown quote currency, ambiguous pair, no such date, strike is not a number above 0, combination, formats differ, longer than 100 bytes, null. Of a pair without a separator, such as BTCUSDT, the kind is NULL: spot or perpetual. 22004 for a NULL format.';

CREATE FUNCTION propose_leveraged_tokens(names text[])
  RETURNS TABLE(symbol text, underlying text, factor float8, pattern text, doubt text)
  AS 'MODULE_PATHNAME', 'segmentation_propose_leveraged_tokens' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION propose_leveraged_tokens(text[]) IS
  'Names that look like those of leveraged tokens (BTC3L, ETH5S, BTCUP, BTCDOWN, ETHBULL, ETHBEAR, ETHHEDGE, ETHHALF; alone or in a spot pair), each once, for a person to check: JUP and SYRUP end in UP and are ordinary coins. factor: signed leverage, NULL where the name does not tell. doubt: what speaks against it. NULL elements are left out.';
