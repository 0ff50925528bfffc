export { EditorState } from "@codemirror/state";
export { EditorView, keymap, lineNumbers, drawSelection, highlightActiveLine } from "@codemirror/view";
export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export { syntaxHighlighting, indentOnInput } from "@codemirror/language";
export { classHighlighter } from "@lezer/highlight";
export { yaml } from "@codemirror/lang-yaml";
export { lintGutter, setDiagnostics, lintKeymap } from "@codemirror/lint";
