/** Types whose values DuckDB compares as numbers. */
export const numericType = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|BIGNUM|DECIMAL\(.*\)|FLOAT|DOUBLE)$/
const nestedType = /^(STRUCT|MAP|UNION)\(|\]$/
export const floatType = /^(FLOAT|DOUBLE)$/
/** Types whose values have different JSON if DuckDB distinguishes them; but of FLOAT and DOUBLE JSON lacks some. */
const plainType =
  /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|BOOLEAN|VARCHAR|UUID|DATE|TIMESTAMP(_S|_MS|_NS)?|"NULL")$/

/** True if keys that DuckDB distinguishes may have the same JSON, as JSON with spaces and negative zeros has. */
export function mayShareJson(type: string): boolean {
  return !plainType.test(type)
}

/** SQL of the column `key` in a type, with one NaN and one zero: a group holds any of several. */
export function castKey(type: string): string {
  const key = `CAST(key AS ${type})`
  return floatType.test(type) ? `CASE WHEN isnan(${key}) THEN 'nan' ELSE ${key} + 0 END` : key
}

/** SQL of the column `key`, which has this type, as JSON. */
export function keyAsJson(type: string): string {
  return columnAsJson('key', type)
}

/** SQL of a column of this type as JSON, in which numbers that JSON lacks are text. */
export function columnAsJson(column: string, type: string): string {
  const json = toJson(column)
  if (floatType.test(type)) return `CASE WHEN isfinite(${column}) THEN ${json} ELSE ${normalizeJson(json)} END`
  return mayShareJson(type) ? normalizeJson(json) : json
}

/** SQL of the column `key`, which has this type, as text; nested keys as JSON, which distinguishes numbers from text. */
export function keyAsText(type: string): string {
  return nestedType.test(type) ? 'CAST(to_json(key) AS VARCHAR)' : 'CAST(key AS VARCHAR)'
}

/** SQL of a value as JSON. */
export function toJson(sql: string): string {
  return `coalesce(CAST(to_json(${sql}) AS VARCHAR), 'null')`
}

/** Replacements in JSON outside of its strings: no spaces, numbers that JSON lacks as strings, one zero. */
const replacements: readonly (readonly [pattern: string, by: string])[] = [
  [String.raw`\s+`, ''],
  ['(?i)-?nan', '"NaN"'],
  ['(?i)(-?)inf(?:inity)?', String.raw`"\1Infinity"`],
  [String.raw`-0\.0(\D|$)`, String.raw`0.0\1`],
]

function normalizeJson(sql: string): string {
  const other = replacements.reduce(
    (text, [pattern, by]) => `regexp_replace(${text}, '${pattern}', '${by}', 'g')`,
    'token',
  )
  const tokens = String.raw`regexp_extract_all(${sql}, '"(?:[^"\\]|\\.)*"|[^"]+')`
  return `array_to_string([CASE WHEN token[1] = '"' THEN token ELSE ${other} END FOR token IN ${tokens}], '')`
}
