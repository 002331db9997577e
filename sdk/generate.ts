import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import openapiTS, { astToString } from 'openapi-typescript'
import { parse } from 'yaml'

const DOCUMENT = new URL('../openapi.yaml', import.meta.url)
const TARGET = new URL('./generated/', import.meta.url)
const BANNER = '// Made from openapi.yaml by sdk/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.\n\n'

type Parameter = Readonly<{ name: string; in: string; required?: boolean; schema?: Readonly<{ 'x-segments'?: boolean }> }>
type Content = Readonly<{ content?: Readonly<Record<string, unknown>> }>
type OperationObject = Readonly<{ operationId: string; parameters?: readonly Parameter[]; requestBody?: Content; responses: Readonly<Record<string, Content>> }>
type Document = Readonly<{ paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>> }>

/**
 * Returns the text of each generated file by its name, made from the text of an OpenAPI 3.1 document; the same document always gives
 * the same bytes. `schema.ts` has the types alone, `operations.ts` what is needed to call each operation.
 */
export async function generateSdk(document: string): Promise<ReadonlyMap<string, string>> {
  // A member with a default may be left out of a request, and requests are what has defaults here.
  const ast = await openapiTS(document, { defaultNonNullable: false, immutable: true, rootTypes: true, rootTypesNoSchemaPrefix: true })
  return new Map([
    ['schema.ts', `${BANNER}${astToString(ast)}`],
    ['operations.ts', `${BANNER}${operationsText(parse(document) as Document)}`],
  ])
}

function operationsText({ paths }: Document): string {
  const entries = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => operationText(path, method, operation)))
  return `/** How each operation of the document is called, by its operationId. */\nexport const OPERATIONS = {\n${entries.join('')}} as const\n`
}

function operationText(path: string, method: string, { operationId, parameters = [], requestBody, responses }: OperationObject): string {
  const answers = Object.entries(responses).filter(([status]) => status.startsWith('2')).flatMap(([, { content = {} }]) => Object.keys(content))
  const members = {
    method: method.toUpperCase(),
    path,
    // What stands in a header is set by the client itself, not by its caller.
    parameters: parameters.filter((parameter) => parameter.in !== 'header').map(({ name, in: place, required = false, schema }) => ({ name, in: place, required, ...(schema?.['x-segments'] === true ? { segments: true } : {}) })),
    requestMediaTypes: Object.keys(requestBody?.content ?? {}),
    answerMediaTypes: answers,
  }
  const lines = Object.entries(members).map(([name, value]) => `    ${name}: ${JSON.stringify(value)},\n`)
  return `  ${operationId}: {\n${lines.join('')}  },\n`
}

/** Returns the names of the files in `folder` that are not what {@link generateSdk} makes. */
export async function staleFiles(files: ReadonlyMap<string, string>, folder: URL): Promise<readonly string[]> {
  const checked = await Promise.all([...files].map(async ([name, text]) => ({ name, same: (await readFile(new URL(name, folder), 'utf8').catch(() => undefined)) === text })))
  return checked.filter(({ same }) => !same).map(({ name }) => name)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false }, out: { type: 'string', default: fileURLToPath(TARGET) } } })
  const folder = pathToFileURL(`${resolve(values.out)}/`)
  const files = await generateSdk(await readFile(DOCUMENT, 'utf8'))
  if (values.check) {
    const stale = await staleFiles(files, folder)
    for (const name of stale) console.error(`${name} differs from openapi.yaml; run \`npm run generate\``)
    process.exitCode = stale.length === 0 ? 0 : 1
  } else {
    await mkdir(folder, { recursive: true })
    for (const [name, text] of files) await writeFile(new URL(name, folder), text)
  }
}
