import { fileError, message, option } from '../errors.ts'
import { describeFieldCount } from './csv-errors.ts'

/** How a CSV file separates its fields. Each is one ASCII character. */
export interface Dialect {
  readonly delimiter: string
  /** the character before a quote within quotes: another quote, or a backslash */
  readonly escape: '"' | '\\'
  readonly comment?: string
}

const State = {
  /** before the first character of a field */
  start: 0,
  /** after spaces before a possible quote */
  spaces: 1,
  unquoted: 2,
  quoted: 3,
  /** after an escape within quotes */
  escaped: 4,
  /** after a quote within quotes, which ends the field unless another quote follows */
  quote: 5,
  comment: 6,
} as const

const [lf, cr, space, quote] = [0x0a, 0x0d, 0x20, 0x22]

/** Kinds of characters. */
const Kind = { ordinary: 0, delimiter: 1, quote: 2, lf: 3, cr: 4, space: 5, escape: 6, comment: 7 } as const

/**
 * Reads the records of a CSV file as RFC 4180 and Python's csv do, byte by byte, and checks that they have the same number of
 * fields. Empty lines and comments are no records.
 */
export class RecordReader {
  /** the number of records so far, with the header */
  records = 0
  /** the number of fields in each record: given, or that of the first record */
  fields: number | undefined
  /** the kinds of line ends so far: the sum of 1 for LF, 2 for CRLF and 4 for CR */
  lineEnds = 0
  hasQuotedLineEnd = false
  hasComment = false
  /** the kinds of all bytes: around a field's text, in it, and in quotes */
  readonly #around = new Uint8Array(256)
  readonly #unquoted = new Uint8Array(256)
  readonly #quoted = new Uint8Array(256)
  readonly #dialect: Dialect
  /** receives the texts of each record */
  readonly #onRecord: ((fields: string[]) => void) | undefined
  #state: number = State.start
  #count = 1
  #line = 1
  #recordLine = 1
  #isEmpty = true
  #isAfterCr = false
  #field: number[] = []
  #record: string[] = []

  constructor(dialect: Dialect, fields?: number, onRecord?: (fields: string[]) => void) {
    this.#dialect = dialect
    this.fields = fields
    this.#onRecord = onRecord
    const mark = (tables: readonly Uint8Array[], byte: number, kind: number) => {
      for (const table of tables) table[byte] = kind
    }
    const [around, unquoted, quoted] = [this.#around, this.#unquoted, this.#quoted]
    mark([around], space, Kind.space)
    if (dialect.comment !== undefined) mark([around, unquoted], dialect.comment.charCodeAt(0), Kind.comment)
    mark([around, unquoted], dialect.delimiter.charCodeAt(0), Kind.delimiter)
    mark([around, quoted], quote, Kind.quote)
    if (dialect.escape === '\\') mark([quoted], '\\'.charCodeAt(0), Kind.escape)
    mark([around, unquoted, quoted], lf, Kind.lf)
    mark([around, unquoted, quoted], cr, Kind.cr)
  }

  read(bytes: Uint8Array): void {
    const keepsText = this.#onRecord !== undefined
    for (let i = 0; i < bytes.length; i++) {
      const kinds = this.#kinds
      const kind = kinds[bytes[i] as number] as number
      if (this.#isAfterCr) {
        this.#isAfterCr = false
        if (kind === Kind.lf) {
          this.lineEnds |= 2
          continue
        }
        this.lineEnds |= 4
      }
      if (kind !== Kind.ordinary) {
        this.#readSpecial(kind, bytes[i] as number)
        continue
      }
      if (this.#state !== State.unquoted && this.#state !== State.quoted) this.#startText()
      if (!keepsText) i = findLastOrdinary(bytes, i, this.#kinds)
      else if (this.#state !== State.comment) this.#field.push(bytes[i] as number)
    }
  }

  get #kinds(): Uint8Array {
    if (this.#state === State.unquoted || this.#state === State.comment) return this.#unquoted
    return this.#state === State.quoted || this.#state === State.escaped ? this.#quoted : this.#around
  }

  /** Ends the last record, at the end of the file. */
  end(): void {
    if (this.#isAfterCr) this.lineEnds |= 4
    this.#isAfterCr = false
    if (this.#state === State.quoted || this.#state === State.escaped) {
      throw fileError(`line ${this.#recordLine}: a quote that opens there is never closed`)
    }
    this.#endRecord()
  }

  #startText(): void {
    if (this.#state === State.quote) {
      const advice = 'a quote within quotes must be doubled, or in the whole file have a backslash before it'
      throw fileError(`line ${this.#line}: text follows a closing quote; ${advice}`)
    }
    if (this.#state === State.comment) return
    if (this.#state === State.escaped) this.#state = State.quoted
    else this.#state = State.unquoted
    this.#isEmpty = false
  }

  #readSpecial(kind: number, byte: number): void {
    const state = this.#state
    if (state === State.quoted || state === State.escaped) this.#readInQuotes(kind, byte)
    else if (state === State.comment) {
      if (kind === Kind.lf || kind === Kind.cr) this.#endLine(kind)
    } else if (kind === Kind.lf || kind === Kind.cr) {
      this.#endRecord()
      this.#endLine(kind)
    } else if (kind === Kind.delimiter) this.#endField()
    else if (kind === Kind.space) this.#readSpace(byte)
    else if (kind === Kind.quote) this.#readQuote(byte)
    else if (kind === Kind.comment) this.#startComment()
    else {
      this.#startText()
      this.#field.push(byte)
    }
  }

  #readInQuotes(kind: number, byte: number): void {
    if (this.#state === State.quoted) {
      if (kind === Kind.escape) {
        this.#state = State.escaped
        return
      }
      if (kind === Kind.quote) {
        this.#state = State.quote
        return
      }
    }
    this.#state = State.quoted
    if (kind === Kind.lf || kind === Kind.cr) {
      this.hasQuotedLineEnd = true
      if (kind === Kind.lf) this.#line++
    }
    if (this.#onRecord !== undefined) this.#field.push(byte)
  }

  #readSpace(byte: number): void {
    if (this.#state === State.quote) return
    if (this.#state === State.start) this.#state = State.spaces
    this.#isEmpty = false
    if (this.#onRecord !== undefined) this.#field.push(byte)
  }

  #readQuote(byte: number): void {
    if (this.#state === State.start || this.#state === State.spaces) {
      this.#state = State.quoted
      this.#field = []
      this.#isEmpty = false
      return
    }
    if (this.#state === State.quote) {
      if (this.#dialect.escape !== '"') this.#startText()
      this.#state = State.quoted
    }
    if (this.#onRecord !== undefined) this.#field.push(byte)
  }

  #startComment(): void {
    const isLineBegin = this.#count === 1 && (this.#state === State.start || this.#state === State.spaces)
    if (!isLineBegin) {
      const place = `line ${this.#line}: ${this.#dialect.comment} stands after the beginning of the line`
      throw fileError(message`${place}, where ${option('comment')} takes none unless in quotes`)
    }
    this.#state = State.comment
    this.hasComment = true
    this.#field = []
    this.#isEmpty = true
  }

  #endField(): void {
    if (this.#onRecord !== undefined) this.#record.push(Buffer.from(this.#field).toString())
    this.#field = []
    this.#state = State.start
    this.#isEmpty = false
    this.#count++
  }

  #endRecord(): void {
    if (this.#isEmpty) return
    const count = this.#count
    this.#endField()
    this.fields ??= count
    if (count !== this.fields) {
      const { delimiter } = this.#dialect
      const advice = message`the delimiter is ${delimiter === '\t' ? 'a tab' : `'${delimiter}'`}; ${option('delimiter')} names another`
      throw fileError(message`${describeFieldCount(this.#recordLine, count, this.fields)} (${advice})`)
    }
    this.records++
    this.#onRecord?.(this.#record)
    this.#record = []
    this.#count = 1
    this.#isEmpty = true
  }

  #endLine(kind: number): void {
    this.#state = State.start
    this.#line++
    this.#recordLine = this.#line
    if (kind === Kind.cr) this.#isAfterCr = true
    else this.lineEnds |= 1
  }
}

/** The last of the ordinary characters that follow each other from `start` on. */
function findLastOrdinary(bytes: Uint8Array, start: number, kinds: Uint8Array): number {
  let last = start
  while (last + 1 < bytes.length && kinds[bytes[last + 1] as number] === Kind.ordinary) last++
  return last
}
