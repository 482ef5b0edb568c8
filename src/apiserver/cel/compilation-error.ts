/** The expression is none, or names what there is not. */
export class CompilationError extends Error {
  override readonly name = 'CompilationError';
}
