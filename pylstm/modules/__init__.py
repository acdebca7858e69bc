"""The modules, under torch.nn's own file names: rnn has LSTM and LSTMCell, module their base."""
