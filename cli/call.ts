import type { CallOptions, FileList, ListFilesRequest, Signature } from '../sdk/index.ts'
import { answerText, listIn } from './answer-text.ts'
import { MAIN_WORD, type CommandOperation } from './command-table.ts'
import { OUTPUT_IS_FILE } from './own-commands.ts'
import { EXIT, type ExitStatus } from './exit-status.ts'
import { jsonDocument, jsonLine, recordLines, signatureText } from './output.ts'
import type { Session } from './session.ts'
import type { OutputForm } from './settings.ts'
import { UsageError } from './usage-error.ts'
import { whoamiText } from './whoami-text.ts'

type Members = Readonly<Record<string, unknown>>
type Answer = Readonly<Record<string, unknown>>

/**
 * Refuses the form `signature-file` for an answer that holds no signature records.
 * @throws UsageError
 */
export function checkForm({ operation, word }: CommandOperation, form: OutputForm): void {
  if (form === 'signature-file' && word !== MAIN_WORD && word !== 'resign' && operation !== 'getSignature' && operation !== 'findSignatures' && !OUTPUT_IS_FILE.has(word)) {
    throw new UsageError([`the answer of \`sign ${word}\` is no signature file; --output takes text, json or ndjson here`])
  }
}

/** Calls an operation of the generated table and prints its answer. */
export async function callCommand(session: Session, operation: CommandOperation, members: Members): Promise<ExitStatus> {
  const answer = await answerOf(session, operation, members)
  await session.terminal.out(answerIn(session, operation, answer))
  const { nextCursor } = answer
  if (typeof nextCursor === 'string') session.terminal.line(`hint: there is more, with --cursor ${nextCursor}`)
  return EXIT.done
}

async function answerOf({ client, io: { signal } }: Session, { operation, arguments: args, flags }: CommandOperation, members: Members): Promise<Answer> {
  if (operation === 'listFiles' && members['limit'] === undefined && members['cursor'] === undefined) return await wholeListing(client, members, { signal })
  const method = (client as unknown as Readonly<Record<string, (...given: readonly unknown[]) => Promise<Answer>>>)[operation]!
  // An operation without parameters has a method without a request.
  return args.length + flags.length === 0 ? await method({ signal }) : await method(members, { signal })
}

/** Every page as one, unless a page was asked for. */
async function wholeListing(client: Session['client'], { path = null, ...rest }: Members, options: CallOptions): Promise<FileList> {
  const request = { ...rest, ...(path === null ? {} : { path }) } as ListFilesRequest
  return { path: path as string | null, files: await Array.fromAsync(client.listAllFiles(request, options)), nextCursor: null }
}

function answerIn({ settings, sdk }: Session, { operation }: CommandOperation, answer: Answer): string {
  switch (settings.output) {
    case 'json':
      return jsonDocument(answer)
    case 'ndjson':
      // Its lists may be empty, and are not what it is about.
      return ((operation === 'whoami' ? undefined : listIn(answer)) ?? [answer]).map(jsonLine).join('')
    case 'signature-file':
      return [`${sdk.SIGNATURE_FILE_HEADER}\n`, ...recordLines((answer as unknown as Signature).records, sdk)].join('')
    case 'text':
      if (operation === 'whoami') return whoamiText(answer)
      return operation === 'getSignature' ? signatureText((answer as unknown as Signature).filename, answer as unknown as Signature) : answerText(answer)
  }
}
