import { runCells } from "./cells.ts";

runCells("old");
