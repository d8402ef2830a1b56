/** The build of msgpackr that neither generates code nor loads a native add-on; its types are those of the main entry. */
declare module 'msgpackr/index-no-eval' {
  export * from 'msgpackr';
}
