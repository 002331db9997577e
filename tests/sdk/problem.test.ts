import t from 'tap'
import { CONNECTION_ERROR_CODES, ConnectionError, isProblem, ProblemError } from '../../sdk/problem.ts'

const document = {
  type: 'urn:signing-server:problem:REQUEST_INVALID',
  title: 'Request invalid',
  status: 400,
  detail: 'the request has a fault',
  instance: 'urn:uuid:6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11',
  code: 'REQUEST_INVALID',
  retryable: false,
  hint: 'Mend the members named in `errors`.',
  errors: [{ pointer: '/path', detail: 'is missing' }],
} as const

void t.test('ProblemError has every member of the document, the request id, and two sentences as its message', async (t) => {
  const error = new ProblemError(document)
  t.match(error, { ...document, name: 'ProblemError', requestId: '6d9c6f0e-5a3c-4b8f-9a38-1f1f6a9b8f11' })
  t.strictSame(JSON.parse(JSON.stringify(error)), document, 'as JSON it is the document')
  t.equal(error.message, 'the request has a fault. Mend the members named in `errors`.')
  t.ok(error instanceof Error)
  t.equal(new ProblemError(document, { retryAfterMs: 1000 }).retryAfterMs, 1000)
})

void t.test('ProblemError has no member for what the answer did not say', async (t) => {
  const { errors: _, ...rest } = document
  const error = new ProblemError(rest)
  t.notOk('errors' in error)
  t.strictSame(error.toJSON(), rest)
  t.notOk('retryAfterMs' in error)
})

void t.test('isProblem takes a problem document and no other value', async (t) => {
  t.ok(isProblem(document))
  const { errors: _, ...rest } = document
  t.ok(isProblem(rest))
  for (const member of Object.keys(rest)) t.notOk(isProblem({ ...document, [member]: undefined }), `without ${member}`)
  const wild: readonly unknown[] = [
    null, 'text', {}, { ...document, status: '400' }, { ...document, retryable: 'no' }, { ...document, errors: {} },
    { ...document, errors: [null] }, { ...document, errors: ['text'] }, { ...document, errors: [{ pointer: '/path' }] }, { ...document, errors: [{ detail: 'x' }] },
  ]
  for (const value of wild) t.notOk(isProblem(value), JSON.stringify(value))
})

void t.test('ConnectionError has a hint for each code, and another where one is given', async (t) => {
  t.ok(CONNECTION_ERROR_CODES.length > 0)
  for (const code of CONNECTION_ERROR_CODES) {
    const error = new ConnectionError(code, 'it failed')
    t.match(error, { name: 'ConnectionError', code, detail: 'it failed' })
    t.match(error.hint, /^[A-Z].*\.$/s, code)
    t.equal(error.message, `it failed. ${error.hint}`)
    t.notOk('cause' in error)
  }
  const cause = new Error('underneath')
  t.match(new ConnectionError('TIMEOUT', 'Too late!', { hint: 'Hurry.', cause }), { message: 'Too late! Hurry.', hint: 'Hurry.', cause })
})
