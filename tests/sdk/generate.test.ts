import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import t from 'tap'
import { generateSdk, staleFiles } from '../../sdk/generate.ts'

const SCRIPT = fileURLToPath(new URL('../../sdk/generate.ts', import.meta.url))
const DOCUMENT = await readFile(new URL('../../openapi.yaml', import.meta.url), 'utf8')

const SMALL = `openapi: 3.1.0
info: { title: Small, version: 1.0.0 }
paths:
  /things/{id}/{rest}:
    get:
      operationId: getThing
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
        - { name: rest, in: path, required: true, schema: { type: string, x-segments: true } }
        - { name: limit, in: query, schema: { type: integer, default: 5 } }
      responses:
        "200": { description: ok, content: { application/json: { schema: { type: object } } } }
        "204": { description: none }
        "404": { description: no, content: { application/problem+json: { schema: { type: object } } } }
    put:
      operationId: putThing
      requestBody: { content: { application/json: { schema: { type: object } } } }
      responses: { "201": { description: ok } }
`

const WANT = `/** How each operation of the document is called, by its operationId. */
export const OPERATIONS = {
  getThing: {
    method: "GET",
    path: "/things/{id}/{rest}",
    parameters: [{"name":"id","in":"path","required":true},{"name":"rest","in":"path","required":true,"segments":true},{"name":"limit","in":"query","required":false}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  putThing: {
    method: "PUT",
    path: "/things/{id}/{rest}",
    parameters: [],
    requestMediaTypes: ["application/json"],
    answerMediaTypes: [],
  },
} as const
`

void t.test('generateSdk lists how each operation is called, under a banner that says not to edit it', async (t) => {
  const files = await generateSdk(SMALL)
  t.strictSame([...files.keys()], ['schema.ts', 'operations.ts'])
  const [banner, , ...rest] = (files.get('operations.ts') ?? '').split('\n')
  t.match(banner, /Do not edit/)
  t.equal(rest.join('\n'), WANT)
})

void t.test('generateSdk makes read-only types in which a parameter with a default may be left out', async (t) => {
  const text = (await generateSdk(SMALL)).get('schema.ts') ?? ''
  t.match(text, /^\/\/ .*Do not edit/)
  t.match(text, 'readonly limit?: number')
})

void t.test('generateSdk gives the same bytes for the same document', async (t) => {
  t.strictSame(await generateSdk(DOCUMENT), await generateSdk(DOCUMENT))
})

void t.test('the generated files on disk are those of openapi.yaml', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, '--check'], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.equal(status, 0)
})

void t.test('--check exits with 1 and names each file that differs or is missing; without it the files are written', async (t) => {
  const folder = t.testdir({ 'schema.ts': 'edited' })
  const files = await generateSdk(DOCUMENT)
  t.strictSame(await staleFiles(files, pathToFileURL(`${folder}/`)), ['schema.ts', 'operations.ts'])
  const run = (...args: string[]) => spawnSync(process.execPath, [SCRIPT, '--out', folder, ...args], { encoding: 'utf8' })
  const stale = run('--check')
  t.equal(stale.status, 1)
  t.match(stale.stderr, /schema\.ts differs from openapi\.yaml; run `npm run generate`\n.*operations\.ts differs/)
  t.equal(run().status, 0)
  t.strictSame(await staleFiles(files, pathToFileURL(`${folder}/`)), [])
  t.equal(run('--check').status, 0)
})
