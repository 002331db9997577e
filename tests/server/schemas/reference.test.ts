import { Type } from 'typebox'
import t from 'tap'
import { mapOf, refTo } from '../../../server/schemas/reference.ts'

void t.test('refTo refers to a schema by its $id, and to no other', async (t) => {
  t.match(refTo(Type.String({ $id: 'Name' })), { $ref: 'Name#' })
  t.throws(() => refTo(Type.String()), TypeError)
})

void t.test('mapOf takes any member name, so names stay data', async (t) => {
  t.match(mapOf(Type.String({ $id: 'Name' }), 'names'), { type: 'object', additionalProperties: { $ref: 'Name#' }, description: 'names' })
})
