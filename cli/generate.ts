import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import type { CommandOperation, CommandValue } from './command-table.ts'

const DOCUMENT = fileURLToPath(new URL('../openapi.yaml', import.meta.url))
const TARGET = fileURLToPath(new URL('./generated/commands.ts', import.meta.url))
const JSON_MEDIA = 'application/json'
const OCTET_STREAM = 'application/octet-stream'

/** Where the word of a command is not the first part of its route. A word in two parts stands below the first one. */
const WORDS: Readonly<Record<string, string>> = { exportSignature: 'export', getCheckpoint: 'log checkpoint', getTile: 'log tile', getLogKey: 'log key', auditLog: 'log audit' }
/** Members that the command line reads from a file: a flag of its own names the file, see own-commands.ts. */
const FROM_FILE: ReadonlySet<string> = new Set(['signature'])

const BANNER = '// Made from openapi.yaml by cli/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.\n'

type Schema = Readonly<{
  $ref?: string
  type?: string
  description?: string
  enum?: readonly string[]
  properties?: Readonly<Record<string, Schema>>
  required?: readonly string[]
  anyOf?: readonly Schema[]
  'x-chosen-by'?: readonly string[]
}>
type Parameter = Readonly<{ name: string; in: string; required?: boolean; description?: string; schema: Schema }>
type OperationObject = Readonly<{
  operationId: string
  summary: string
  description: string
  parameters?: readonly Parameter[]
  requestBody?: Readonly<{ content: Readonly<Record<string, Readonly<{ schema: Schema }>>> }>
}>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>; components: Readonly<{ schemas: Readonly<Record<string, Schema>> }> }>

/** Where the command line reads, writes and complains. */
export type GenerateIo = Readonly<{ document: string; target: string; err: (line: string) => void }>

/**
 * Returns the text of cli/generated/commands.ts, made from the text of an OpenAPI 3.1 document; the same document always gives the
 * same bytes. The word of a command is the first part of its route. Path parameters, and a member named `path`, are arguments;
 * everything else is a flag, the `form` of something too. Of the bodies of a request the one with a `path` is what the words and flags
 * here spell; for a file that is sent, or a digest, the command line has flags of its own.
 * @throws TypeError for a member that is neither text, integer nor boolean: a command line has no spelling for it
 */
export function generateCommands(text: string): string {
  const document = parse(text) as Document
  const operations = Object.entries(document.paths).flatMap(([route, methods]) => Object.values(methods).map((operation) => commandOf(document, route, operation)))
  const entries = operations.map((operation) => `  ${JSON.stringify(operation, undefined, 2).replaceAll('\n', '\n  ')},\n`)
  return `${BANNER}\nimport type { CommandOperation } from '../command-table.ts'\n\n/** Every operation of the document as a command. */\nexport const COMMANDS = [\n${entries.join('')}] as const satisfies readonly CommandOperation[]\n`
}

function commandOf(document: Document, route: string, operation: OperationObject): CommandOperation {
  const values = [...parametersOf(document, operation), ...membersOf(document, operation)]
  const isArgument = ({ name, place }: Placed) => name !== 'form' && (place === 'path' || name === 'path')
  return {
    operation: operation.operationId,
    word: WORDS[operation.operationId] ?? route.split('/')[1]!,
    summary: operation.summary,
    description: operation.description,
    arguments: values.filter(isArgument).map(({ value }) => value),
    flags: values.filter((value) => !isArgument(value)).map(({ value }) => value),
  }
}

type Placed = Readonly<{ name: string; place: string; value: CommandValue }>

function parametersOf(document: Document, { parameters = [], requestBody }: OperationObject): Placed[] {
  // The query of an operation that also takes a file belongs to the file.
  if (requestBody?.content[OCTET_STREAM] !== undefined) return []
  return parameters.map(({ name, in: place, required = false, description, schema }) => ({ name, place, value: valueOf(document, { name, required, description }, schema) }))
}

function membersOf(document: Document, { requestBody }: OperationObject): Placed[] {
  const schema = requestBody?.content[JSON_MEDIA]?.schema
  if (schema === undefined) return []
  const { properties = {}, required = [] } = byPath(document, resolved(document, schema))
  return Object.entries(properties).filter(([name]) => !FROM_FILE.has(name)).map(([name, member]) => ({ name, place: 'body', value: valueOf(document, { name, required: required.includes(name), description: undefined }, member) }))
}

function byPath(document: Document, schema: Schema): Schema {
  const chosen = schema.anyOf?.[schema['x-chosen-by']!.indexOf('path')]
  return chosen === undefined ? schema : resolved(document, chosen)
}

type Facts = Readonly<{ name: string; required: boolean; description: string | undefined }>

function valueOf(document: Document, { name, required, description }: Facts, schema: Schema): CommandValue {
  const { type, description: own = '', enum: choices } = resolved(document, schema)
  if (type !== 'string' && type !== 'integer' && type !== 'boolean') throw new TypeError(`the command line has no spelling for ${name}`)
  return { name, type, required, description: description ?? schema.description ?? own, ...(choices === undefined ? {} : { choices }) }
}

function resolved({ components }: Document, schema: Schema): Schema {
  return schema.$ref === undefined ? schema : components.schemas[schema.$ref.replace('#/components/schemas/', '')]!
}

/** The command: writes the file, or with `--check` says whether it is what the document gives. Returns the exit status. */
export async function runGenerate(args: readonly string[], { document, target, err }: GenerateIo): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { check: { type: 'boolean', default: false } } })
  const text = generateCommands(await readFile(document, 'utf8'))
  if (!values.check) {
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, text)
    return 0
  }
  const same = (await readFile(target, 'utf8').catch(() => undefined)) === text
  if (!same) err('cli/generated/commands.ts differs from openapi.yaml; run `npm run generate`')
  return same ? 0 : 1
}

if (import.meta.main) {
  process.exitCode = await runGenerate(process.argv.slice(2), { document: DOCUMENT, target: TARGET, err: console.error })
}
