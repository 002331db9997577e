import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { flagName } from '../../cli/command-table.ts'
import { generateCommands, runGenerate } from '../../cli/generate.ts'

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const DOCUMENT = readFileSync(file('openapi.yaml'), 'utf8')

void t.test('the generated table is what the document gives, and the script says so', async (t) => {
  t.equal(readFileSync(file('cli/generated/commands.ts'), 'utf8'), generateCommands(DOCUMENT))
  const { status, stderr } = spawnSync(process.execPath, [file('cli/generate.ts'), '--check'], { encoding: 'utf8' })
  t.strictSame([status, stderr], [0, ''])
})

void t.test('--check finds a table that differs or is missing, and writing mends it', async (t) => {
  const document = file('openapi.yaml')
  const target = join(t.testdir(), 'new/commands.ts')
  const said: string[] = []
  const generate = async (...args: string[]) => await runGenerate(args, { document, target, err: (line) => said.push(line) })
  t.equal(await generate('--check'), 1)
  t.strictSame(said, ['cli/generated/commands.ts differs from openapi.yaml; run `npm run generate`'])
  t.equal(await generate(), 0)
  t.equal(await generate('--check'), 0)
  t.equal(readFileSync(target, 'utf8'), generateCommands(DOCUMENT))
})

void t.test('parameters and members become arguments and flags with their types and descriptions', async (t) => {
  const document = `
components: { schemas: { Word: { type: string, description: a word }, Ask: { type: object, required: [path], properties: { path: { type: string, description: where }, pageSize: { type: integer, description: how many }, force: { type: boolean } } } } }
paths:
  /words/{word}/{other}:
    get: { operationId: getWord, summary: S, description: D, parameters: [{ name: word, in: path, required: true, schema: { $ref: '#/components/schemas/Word' } }, { name: other, in: path, required: true, description: own, schema: { type: string, description: not this } }, { name: q, in: query, schema: { type: string } }] }
  /ask:
    post: { operationId: ask, summary: S, description: D, requestBody: { content: { application/json: { schema: { $ref: '#/components/schemas/Ask' } } } } }
  /upload:
    post: { operationId: upload, summary: S, description: D, requestBody: { content: { application/octet-stream: { schema: {} }, application/json: { schema: { type: object } } } } }
`
  const table = generateCommands(document)
  const commands: unknown = parse(table.slice(table.indexOf('= [') + 2, table.lastIndexOf('] as const') + 1))
  const value = (name: string, type: string, required: boolean, description: string) => ({ name, type, required, description })
  t.strictSame(commands, [
    { operation: 'getWord', word: 'words', summary: 'S', description: 'D', arguments: [value('word', 'string', true, 'a word'), value('other', 'string', true, 'own')], flags: [value('q', 'string', false, '')] },
    { operation: 'ask', word: 'ask', summary: 'S', description: 'D', arguments: [value('path', 'string', true, 'where')], flags: [value('pageSize', 'integer', false, 'how many'), value('force', 'boolean', false, '')] },
    { operation: 'upload', word: 'upload', summary: 'S', description: 'D', arguments: [], flags: [] },
  ])
  t.equal(flagName('pageSize'), '--page-size')
  t.throws(() => generateCommands(document.replace('type: integer', 'type: object')), { name: 'TypeError', message: 'the command line has no spelling for pageSize' })
})
