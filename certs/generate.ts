import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { DEVELOPMENT_CLIENTS, makeDevelopmentFiles, SERVER_SANS } from './development.ts'
import { create, inspect, locate, PkiError, replace } from './folder.ts'

/** What `generateDevelopmentPki` did with `directory` (absolute); the PKI there can be used until `validUntil`. */
export type PkiOutcome = { readonly directory: string, readonly validUntil: Date } & (
  | { readonly kind: 'made' }
  | { readonly kind: 'kept' }
  | { readonly kind: 'remade', readonly reason: 'forced' | 'out of date' }
)

/** Where the command reads and writes: relative folders start at `cwd`. */
export interface CommandIo {
  readonly cwd: string
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

const DAY_MS = 86_400_000
const DEFAULT_FOLDER = join(import.meta.dirname, 'dev')
const USAGE = 'usage: npm run -s certs -- [--out DIR] [--force] [--help]'
const HELP = `${USAGE}

Makes certificates for development and tests: an authority with its revocation list, a server certificate, and clients, good and bad.

  --out DIR   where to put them (default: certs/dev of the checkout)
  --force     make them anew even if DIR holds good ones
  --help      this text

A DIR that already holds them is kept as it is; one that holds anything else is not touched. certs/README.md explains every file.
`

/**
 * Makes the development PKI of certs/README.md in `outDir`, or keeps the one that is there. It is made anew when `force` asks for it,
 * and when its authority, server certificate or CRL does not hold now or ends within a day. `outDir` gets its name only when all is
 * written, so half a PKI is never seen; of several processes that make it at once, one wins and the others keep its result.
 * @throws PkiError `NOT_A_FOLDER`, `FOLDER_NOT_OURS`, `FOLDER_HAS_OTHER_FILES`, `PKI_DAMAGED`
 */
export async function generateDevelopmentPki(
  outDir: string,
  { clock = () => new Date(), force = false }: { readonly clock?: () => Date, readonly force?: boolean } = {}
): Promise<PkiOutcome> {
  const directory = await locate(outDir)
  const now = clock()
  const state = await inspect(directory)
  if (!force && state.kind === 'damaged') {
    throw new PkiError('PKI_DAMAGED', `the development PKI in ${directory} is damaged (${state.fault}); --force makes it anew`, { cause: state.cause })
  }
  if (!force && state.kind === 'whole' && state.from <= now && state.until.getTime() - now.getTime() > DAY_MS) {
    return { kind: 'kept', directory, validUntil: state.until }
  }
  const { files, validUntil } = await makeDevelopmentFiles(now)
  const published = state.kind === 'free' ? await create(directory, files) : await replace(directory, state.files, files)
  if (!published) return generateDevelopmentPki(directory, { clock })
  return state.kind === 'free'
    ? { kind: 'made', directory, validUntil }
    : { kind: 'remade', reason: force ? 'forced' : 'out of date', directory, validUntil }
}

/**
 * The command `certs`: makes the PKI, tells a person what is where and what to do next, and returns the exit status: 0 made or kept,
 * 1 refused or failed, 2 usage.
 */
export async function runCerts(args: readonly string[], io: CommandIo): Promise<number> {
  const command = parseCommand(args)
  if (command.kind === 'usage') {
    io.err(`certs: ${command.fault}\n${USAGE}\n`)
    return 2
  }
  if (command.kind === 'help') {
    io.out(HELP)
    return 0
  }
  try {
    io.out(describe(await generateDevelopmentPki(resolve(io.cwd, command.out), { force: command.force })))
    return 0
  } catch (error) {
    io.err(`certs: ${(error as Error).message}${error instanceof PkiError ? '; nothing was changed' : ''}\n`)
    return 1
  }
}

type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'usage', readonly fault: string }
  | { readonly kind: 'make', readonly out: string, readonly force: boolean }

function parseCommand(args: readonly string[]): Command {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { out: { type: 'string', default: DEFAULT_FOLDER }, force: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } }
    })
    if (values.help) return { kind: 'help' }
    return values.out === '' ? { kind: 'usage', fault: '--out needs a folder' } : { kind: 'make', out: values.out, force: values.force }
  } catch (error) {
    return { kind: 'usage', fault: (error as Error).message }
  }
}

function describe(outcome: PkiOutcome): string {
  const where = `${outcome.directory} (good until ${outcome.validUntil.toISOString().slice(0, 10)})`
  if (outcome.kind === 'kept') return `Kept the development PKI that is in ${where}; --force makes it anew.\n`
  const heading = outcome.kind === 'made'
    ? `Made a development PKI in ${where}:`
    : `Made the development PKI anew (${outcome.reason}) in ${where}.\nClient keys handed out before no longer connect.`
  return `${heading}\n\n${contents(outcome.directory)}`
}

function contents(directory: string): string {
  const rows = [
    ['ca.pem, ca.key, ca.crl', 'the authority, its key, its revocation list'],
    ['server.pem, server.key', `the server, as ${SERVER_SANS.map((san) => san.value).join(', ')}`],
    ...DEVELOPMENT_CLIENTS.map((client) => [`${client.folder}/`, client.purpose.replaceAll('`', '')])
  ]
  return `${rows.map(([path = '', text]) => `  ${path.padEnd(24)}${text}`).join('\n')}

For development only: whoever can read these keys can sign. Next, give yourself the key of a client:

  mkdir -p -m 700 ~/.ssh/signing-server && cp ${quote(directory)}/clients/release-bot/* ~/.ssh/signing-server/
`
}

/** A path as one word of a POSIX shell, for a person to paste. */
function quote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}

if (import.meta.main) {
  process.exitCode = await runCerts(process.argv.slice(2), {
    // Under `npm run` the working directory is the project's; INIT_CWD is where the person stands.
    cwd: process.env.INIT_CWD ?? process.cwd(),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text)
  })
}
