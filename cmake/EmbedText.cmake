# cmake -DIN=FILE -DOUT=FILE -P EmbedText.cmake: the text of IN as a C++ string literal.
file(READ ${IN} _text)
file(WRITE ${OUT} "R\"text(${_text})text\"\n")
