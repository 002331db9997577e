import type * as SdkModule from '../sdk/core.ts'
import type { SignAnswer, SignatureRecord, SignedEvent, SignEvent, Signature, SkipReason } from '../sdk/index.ts'
import type { Failure } from './failure.ts'
import { printable } from './printable.ts'
import type { OutputForm } from './settings.ts'

/** What the server says as files finish, and what is said on this side: there a failure need not be a problem document. */
export type RunEvent = Exclude<SignedEvent, { event: 'failure' }> | Readonly<{ event: 'failure'; name: string; problem: Failure }>

/** What became of one name of the listing. */
export type OutcomeEvent = Extract<RunEvent, { event: 'signature' | 'failure' | 'skipped' }>

/** How a run is headed: a directory by its listing, a file by its path, several local files not at all. */
export type Layout = 'directory' | 'file' | 'list'

/** The first event of a run. */
export type ListingEvent = Extract<SignEvent, { event: 'listing' }>

/** The core of the SDK, which knows the byte format of signature files. */
export type Sdk = typeof SdkModule

/** What a form needs to know beside the events. */
export type FormFacts = Readonly<{ layout: Layout; sdk: Sdk }>

/** An output form of `sign`; each function returns what to print on stdout, and '' for nothing. */
export type SignForm = Readonly<{
  /** Every event, as it comes; the listing is the first. */
  event: (event: RunEvent) => string
  /** An outcome, once more, when its turn in the listing has come. */
  outcome: (event: OutcomeEvent) => string
  /** The run is complete. */
  end: () => string
}>

const nothing = () => ''

/** Returns the output form of that name. */
export function signForm(name: OutputForm, facts: FormFacts): SignForm {
  switch (name) {
    case 'text':
      return textForm(facts)
    case 'json':
      return jsonForm()
    case 'ndjson':
      return { event: jsonLine, outcome: nothing, end: nothing }
    case 'signature-file':
      return signatureFileForm(facts)
  }
}

function textForm({ layout }: FormFacts): SignForm {
  return {
    event: (event) => (event.event === 'listing' ? heading(event, layout) : ''),
    outcome: (event) => (event.event === 'signature' ? eachKey(event.signature).map((one) => signatureText(event.name, one)).join('') : ''),
    end: nothing,
  }
}

/** A signature, and those that other keys made with it in an overlap. */
function eachKey({ also = [], ...signature }: Signature): readonly Signature[] {
  return [signature, ...also]
}

function heading({ path, files }: ListingEvent, layout: Layout): string {
  if (layout === 'list') return ''
  const lines = layout === 'directory' ? [`List of files in ${path}:`, ...files] : [`File to be signed: ${path}`]
  return `${lines.map(printable).join('\n')}\n\n`
}

/**
 * Returns a line per record, as the service has always printed them:
 * `NAME: {"keyid": "1001", "package": "PkgA", "timestamp": "1375425475", "fileset": "PkgA.rte", "ftype": "I", "vrmf": "1.0.0.0", "signature": "…"}`.
 * A detached signature, which has no record, is `NAME: {"keyid": …, "sha256": …, "signature": …}`.
 */
export function signatureText(name: string, { records, keyid, sha256, signature }: Signature): string {
  const maps = records.length === 0 ? [{ keyid, sha256, signature }] : records.map((record) => ({
    keyid: record.keyid,
    package: record.package,
    timestamp: record.timestamp,
    fileset: record.fileset,
    ftype: record.ftype,
    vrmf: record.vrmf,
    signature: record.signature,
  }))
  return maps.map((map) => printable(`${name}: ${spacedJson(map)}`)).map(withNewline).join('')
}

/** JSON of a flat map with a space behind `:` and `,`. */
function spacedJson(map: Readonly<Record<string, string>>): string {
  return `{${Object.entries(map).map(([member, value]) => `${JSON.stringify(member)}: ${JSON.stringify(value)}`).join(', ')}}`
}

/** Returns a value as one line of JSON. */
export function jsonLine(value: unknown): string {
  return withNewline(printable(JSON.stringify(value)))
}

/** Returns a value as a JSON document, indented. */
export function jsonDocument(value: unknown): string {
  return withNewline(JSON.stringify(value, undefined, 2).split('\n').map(printable).join('\n'))
}

function withNewline(line: string): string {
  return `${line}\n`
}

function jsonForm(): SignForm {
  // Without a prototype: a file may be called `__proto__`.
  const named = <T>(): Record<string, T> => Object.create(null) as Record<string, T>
  const answer = { path: '', files: [] as readonly string[], signatures: named<Signature>(), failures: named<Failure>(), skipped: named<SkipReason>(), warnings: [] as SignAnswer['warnings'][number][] }
  return {
    event: (event) => {
      if (event.event === 'listing') Object.assign(answer, { path: event.path, files: event.files })
      if (event.event === 'warning') answer.warnings.push(event.warning)
      return ''
    },
    outcome: (event) => {
      if (event.event === 'signature') answer.signatures[event.name] = event.signature
      else if (event.event === 'failure') answer.failures[event.name] = event.problem
      else answer.skipped[event.name] = event.reason
      return ''
    },
    end: () => jsonDocument(answer satisfies Omit<SignAnswer, 'failures'>),
  }
}

/**
 * Returns the lines of a signature file, line ends included, the header not.
 * @throws ConnectionError `ANSWER_NOT_UNDERSTOOD` for a record that would not read back
 */
export function recordLines(records: readonly SignatureRecord[], { formatSignatureRecord, ConnectionError }: Sdk): readonly string[] {
  try {
    return records.map(formatSignatureRecord).map(withNewline)
  } catch (cause) {
    throw new ConnectionError('ANSWER_NOT_UNDERSTOOD', `the server sent a signature record that is none: ${(cause as Error).message}`, { cause })
  }
}

function signatureFileForm({ sdk }: FormFacts): SignForm {
  let begun = false
  return {
    event: nothing,
    outcome: (event) => {
      const records = event.event === 'signature' ? eachKey(event.signature).flatMap((one) => one.records) : []
      if (records.length === 0) return ''
      const lines = recordLines(records, sdk)
      const text = (begun ? lines : [withNewline(sdk.SIGNATURE_FILE_HEADER), ...lines]).join('')
      begun = true
      return text
    },
    end: nothing,
  }
}
