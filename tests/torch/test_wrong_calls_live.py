"""Wrong calls beside torch 2.13: the same exception class, and torch's text inside ours.

A call is an expression over the names that wrong_calls.names makes, of torch and of pylstm.
Calls that differ on purpose are listed under the difference, by its row in the migration page;
mistakes that reach torch's depths, or pass, are listed with the clear text they get here. Those of
utils.rnn are in the file on utils.rnn.
"""

import pytest

# By its submodule, since this folder itself would do for a module of the name "torch".
pytest.importorskip("torch.nn")
from wrong_calls import Row, agree, check, check_rows, core_of, normalised, outcomes

# ---------------------------------------------------------------------------- as torch

CONSTRUCTORS = """
LSTM()
LSTM(2)
LSTM(hidden_size=3)
LSTM(2, 3, input_size=2)
LSTM(2, 3, foo=1)
LSTM(2, 3, nonlinearity='tanh')
LSTM(2, 3, dropout='x')
LSTM(2, 3, dropout='0.5')
LSTM(2, 3, dropout='')
LSTM(2, 3, dropout=None)
LSTM(2, 3, dropout=1j)
LSTM(2, 3, dropout=[0.5])
LSTM(2, 3, dropout={})
LSTM(2, 3, dropout=True)
LSTM(2, 3, dropout=False)
LSTM(2, 3, dropout=1.5)
LSTM(2, 3, dropout=2)
LSTM(2, 3, dropout=-0.5)
LSTM(2, 3, dropout=nan)
LSTM(2, 3, dropout=inf)
LSTM(2, 3, dropout=-inf)
LSTM(2, 3, bias=1)
LSTM(2, 3, bias=0)
LSTM(2, 3, bias=None)
LSTM(2, 3, bias='True')
LSTM(2, 3, bias=1.0)
LSTM(2, 3, bias=[])
LSTM(2, 3, batch_first=1)
LSTM(2, 3, batch_first=0)
LSTM(2, 3, batch_first=None)
LSTM(2, 3, batch_first='False')
LSTM(2, 3, batch_first=0.5)
LSTM(2.0, 3)
LSTM('a', 3)
LSTM(None, 3)
LSTM([2], 3)
LSTM((2,), 3)
LSTM(2j, 3)
LSTM(np.True_, 3)
LSTM(0, 3)
LSTM(-1, 3)
LSTM(False, 3)
LSTM(2, 3.0)
LSTM(2, '3')
LSTM(2, None)
LSTM(2, [3])
LSTM(2, 0)
LSTM(2, -1)
LSTM(2, False)
LSTM(2, 3, 0)
LSTM(2, 3, -1)
LSTM(2, 3, False)
LSTM(2, 3, 1.0)
LSTM(2, 3, 2.5)
LSTM(2, 3, 'a')
LSTM(2, 3, None)
LSTM(2, 3, [1])
LSTM(2, 3, 1j)
LSTM(2, 3, proj_size=-1)
LSTM(2, 3, proj_size=-0.5)
LSTM(2, 3, proj_size=3)
LSTM(2, 3, proj_size=4)
LSTM(2, 3, proj_size=inf)
LSTM(2, 3, proj_size=None)
LSTM(2, 3, proj_size='1')
LSTM(2, 3, proj_size=[1])
LSTM(2, 1, proj_size=1)
LSTM(0, 0, 0, 0, 0, 2.0)
LSTM(0, 0, 0, 0, 0)
LSTM(0, 0, 0, True, 0)
LSTM(0, 0, 0)
LSTM(2, 0, 0)
LSTM(2, 3, 0, proj_size=-1)
LSTM('a', 'b')
LSTM(2, 3, dtype=int64)
LSTM(2, 3, dtype=int32)
LSTM(2, 3, dtype=uint8)
LSTM(2, 3, dtype=bool_)
LSTMCell()
LSTMCell(2)
LSTMCell(hidden_size=3)
LSTMCell(2, 3, foo=1)
LSTMCell(2, 3, num_layers=2)
LSTMCell(2, 3, proj_size=1)
LSTMCell(2, 3, bidirectional=True)
LSTMCell(2, 3, batch_first=True)
LSTMCell(2, 3, dropout=0.5)
LSTMCell(2, 3, True, None, None, 1)
LSTMCell(2, 3, input_size=2)
LSTMCell(-1, 3)
LSTMCell(2, -3)
LSTMCell(-2, -3)
LSTMCell(2, 3, dtype=int64)
LSTMCell(2, 3, dtype=bool_)
"""

# lstm is LSTM(4, 5, 2); first, two_way, projected and bare are it with an option.
FORWARD = """
lstm()
lstm(hx=None)
lstm(ones(3, 2, 4), None, None)
lstm(ones(3, 2, 4), foo=1)
lstm(ones(3, 2, 4), input=ones(3, 2, 4))
lstm(ones(3, 2, 4), None, hx=None)
lstm(array(1.0))
lstm(ones(4))
lstm(ones(0))
lstm(ones(1, 3, 2, 4))
lstm(ones(1, 1, 3, 2, 4))
lstm(ones(3, 2, 3))
lstm(ones(3, 2, 5))
lstm(ones(3, 2, 0))
lstm(ones(4, 2, 3))
lstm(ones(3, 4, 2))
lstm(ones(3, 3))
lstm(ones(4, 3))
lstm(ones(3, 0))
lstm(ones(0, 2, 4))
lstm(ones(0, 0, 4))
lstm(ones(0, 4))
lstm(ones(0, 2, 3))
first(ones(2, 0, 4))
first(ones(0, 0, 4))
first(ones(2, 3, 3))
first(ones(4))
lstm(ones(3, 2, 4), (ones(4, 5), ones(4, 5)))
lstm(ones(3, 2, 4), (ones(4, 2, 5), ones(4, 5)))
lstm(ones(3, 2, 4), (ones(4, 5), ones(4, 2, 5)))
lstm(ones(3, 2, 4), (ones(1, 4, 2, 5), ones(1, 4, 2, 5)))
lstm(ones(3, 2, 4), (ones(5), ones(5)))
lstm(ones(3, 2, 4), (array(1.0), array(1.0)))
lstm(ones(3, 4), (ones(4, 1, 5), ones(4, 1, 5)))
lstm(ones(3, 4), (ones(2, 1, 5), ones(2, 5)))
lstm(ones(3, 4), (ones(2, 5), ones(2, 1, 5)))
lstm(ones(3, 4), (ones(5), ones(5)))
lstm(ones(3, 2, 4), (ones(1, 2, 5), ones(2, 2, 5)))
lstm(ones(3, 2, 4), (ones(2, 2, 5), ones(1, 2, 5)))
lstm(ones(3, 2, 4), (ones(2, 3, 5), ones(2, 2, 5)))
lstm(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 3, 5)))
lstm(ones(3, 2, 4), (ones(2, 2, 4), ones(2, 2, 5)))
lstm(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 4)))
lstm(ones(3, 2, 4), (ones(2, 2, 0), ones(2, 2, 5)))
lstm(ones(3, 2, 4), (ones(0, 2, 5), ones(0, 2, 5)))
lstm(ones(3, 2, 4), (ones(2, 1, 5), ones(2, 1, 5)))
lstm(ones(3, 2, 4), (ones(1, 1, 1), ones(1, 1, 1)))
lstm(ones(3, 0, 4), (ones(2, 1, 5), ones(2, 1, 5)))
lstm(ones(3, 6, 4), (ones(6, 2, 5), ones(6, 2, 5)))
lstm(ones(3, 4), (ones(1, 5), ones(2, 5)))
lstm(ones(3, 4), (ones(2, 5), ones(1, 5)))
lstm(ones(3, 4), (ones(2, 4), ones(2, 5)))
lstm(ones(3, 4), (ones(2, 5), ones(2, 6)))
lstm(ones(3, 2, 4), [ones(2, 2, 5), ones(2, 2, 6)])
lstm(ones(3, 2, 4), hx=(ones(2, 2, 6), ones(2, 2, 5)))
lstm(ones(3, 2, 3), (ones(2, 2, 6), ones(2, 2, 5)))
lstm(ones(0, 2, 4), (ones(2, 2, 6), ones(2, 2, 5)))
lstm(ones(0, 2, 4), (ones(2, 2, 5), ones(2, 2, 5)))
first(ones(2, 3, 4), (ones(2, 3, 5), ones(2, 3, 5)))
first(ones(3, 2, 4), (ones(3, 2, 5), ones(3, 2, 5)))
first(ones(2, 3, 4), (ones(2, 2, 5), ones(2, 3, 5)))
two_way(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 5)))
two_way(ones(3, 2, 4), (ones(4, 2, 5), ones(2, 2, 5)))
two_way(ones(3, 4), (ones(2, 5), ones(4, 5)))
two_way(ones(3, 2, 4), (ones(4, 2, 10), ones(4, 2, 5)))
projected(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 5)))
projected(ones(3, 2, 4), (ones(2, 2, 3), ones(2, 2, 3)))
projected(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 3)))
projected(ones(3, 2, 4), (ones(2, 3, 3), ones(2, 2, 5)))
projected(ones(3, 2, 4), (ones(2, 2, 3), ones(2, 3, 5)))
projected(ones(3, 2, 4), (ones(1, 2, 3), ones(2, 2, 5)))
projected(ones(3, 2, 4), (ones(2, 2, 3), ones(1, 2, 5)))
projected(ones(3, 2, 5), (ones(2, 2, 3), ones(2, 2, 5)))
projected(ones(3, 4), (ones(2, 5), ones(2, 5)))
projected(ones(3, 4), (ones(2, 3), ones(2, 3)))
lstm(ones(3, 2, 4), ())
lstm(ones(3, 2, 4), [])
lstm(ones(3, 2, 4), (ones(2, 2, 5),))
lstm(ones(3, 2, 4), [ones(2, 2, 5)])
lstm(ones(3, 4), ())
lstm(ones(3, 4), [])
lstm(ones(3, 4), (ones(2, 5),))
lstm(ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 5), ones(2, 2, 5)))
lstm(ones(3, 2, 4), ones(2, 2, 5))
lstm(ones(3, 2, 4), ones(1, 2, 5))
lstm(ones(3, 2, 4), ones(2, 2, 2, 5))
lstm(ones(3, 2, 4), ones(5))
lstm(ones(3, 4), ones(2, 5))
lstm(ones(3, 4), ones(1, 2, 5))
lstm.forward()
lstm.forward(ones(4))
lstm.forward(ones(3, 2, 4), foo=1)
lstm.forward(ones(3, 2, 4), (ones(2, 2, 5),) * 3)
cell()
cell(hx=None)
cell(ones(2, 4), None, None)
cell(ones(2, 4), foo=1)
cell(ones(2, 4), input=ones(2, 4))
cell(ones(2, 4), None, hx=None)
cell(array(1.0))
cell(ones(1, 2, 4))
cell(ones(1, 1, 2, 4))
cell(ones(2, 3))
cell(ones(2, 5))
cell(ones(2, 0))
cell(ones(2, 1))
cell(ones(4, 2))
cell(ones(3))
cell(ones(5))
cell(ones(1))
cell(ones(0))
cell(ones(0, 3))
cell(ones(2, 4), (ones(3, 5), ones(3, 5)))
cell(ones(2, 4), (ones(3, 5), ones(2, 5)))
cell(ones(2, 4), (ones(2, 5), ones(3, 5)))
cell(ones(2, 4), (ones(1, 5), ones(2, 5)))
cell(ones(2, 4), (ones(2, 5), ones(1, 5)))
cell(ones(2, 4), (ones(2, 6), ones(2, 5)))
cell(ones(2, 4), (ones(2, 5), ones(2, 6)))
cell(ones(2, 4), (ones(2, 1), ones(2, 5)))
cell(ones(2, 4), (ones(2, 5), ones(2, 1)))
cell(ones(2, 4), (ones(3, 6), ones(3, 6)))
cell(ones(2, 4), (ones(2, 6), ones(3, 5)))
cell(ones(2, 4), [ones(2, 6), ones(2, 5)])
cell(ones(2, 4), hx=(ones(2, 6), ones(2, 5)))
cell(ones(2, 3), (ones(2, 6), ones(2, 5)))
cell(ones(0, 4), (ones(1, 5), ones(1, 5)))
cell(ones(4), (ones(6), ones(5)))
cell(ones(4), (ones(5), ones(6)))
cell(ones(4), (ones(1), ones(5)))
cell(ones(2, 4), (ones(1, 2, 5), ones(2, 5)))
cell(ones(2, 4), (ones(2, 5), ones(1, 2, 5)))
cell(ones(2, 4), (ones(1, 1, 2, 5), ones(1, 1, 2, 5)))
cell(ones(2, 4), (array(1.0), ones(2, 5)))
cell(ones(2, 4), (ones(2, 5), array(1.0)))
cell(ones(4), (ones(1, 1, 5), ones(5)))
cell(ones(2, 4), ())
cell(ones(2, 4), [])
cell(ones(2, 4), (ones(2, 5),))
cell(ones(2, 4), (ones(2, 5), ones(2, 5), ones(2, 5)))
cell(ones(2, 4), ones(2, 5))
cell(ones(2, 4), ones(2, 2, 5))
cell(ones(2, 4), ones(3, 2, 5))
cell(ones(2, 4), ones(5))
cell(ones(4), ones(5))
cell(ones(4), ones(1, 5))
cell.forward(ones(1, 2, 4))
cell.forward(ones(2, 3))
lstm(packed(ones(3, 2, 4)), ())
lstm(packed(ones(3, 2, 4)), (ones(2, 2, 5),))
lstm(packed(ones(3, 2, 4)), (ones(2, 2, 5),) * 3)
lstm(packed(ones(3, 2, 4)), None, None)
lstm(packed(ones(3, 2, 4)), foo=1)
lstm(ones(3, 2, 4), ones(4, 2, 5))
lstm(ones(3, 2, 4), ones(2, 5))
lstm(ones(3, 2, 4), ones(1, 5))
lstm(ones(3, 2, 4), ones(0, 2, 5))
lstm(ones(3, 2, 4), ones(3, 2, 2, 5))
lstm(ones(3, 2, 4), ones(2, 2, 2, 6))
lstm(ones(3, 2, 4), list(ones(2, 2, 5)))
lstm(ones(3, 2, 4), (ones(3, 2, 5), ones(2, 2, 5), ones(2, 2, 5)))
lstm(ones(3, 4), ones(1, 5))
lstm(ones(3, 4), ones(3, 5))
lstm(ones(3, 4), ones(2, 1, 5))
lstm(ones(3, 4), ones(2, 2, 6))
lstm(ones(3, 4), ones(5))
LSTM(4, 5)(ones(3, 2, 4), ones(1, 2, 5))
LSTM(4, 5, 4)(ones(3, 3, 4), ones(4, 3, 5))
LSTM(4, 5, 4)(ones(3, 3, 4), ones(2, 3, 5))
first(ones(2, 3, 4), ones(2, 2, 5))
first(ones(2, 3, 4), ones(1, 2, 5))
first(ones(2, 3, 4), ones(3, 2, 5))
two_way(ones(3, 2, 4), ones(4, 2, 5))
projected(ones(3, 2, 4), ones(2, 2, 3))
cell(ones(3, 4), ones(3, 5))
cell(ones(2, 4), ones(2, 1, 2, 5))
cell(ones(2, 4), [ones(2, 5)])
cell(ones(3, 4), list(ones(3, 5)))
cell(ones(4), ones(0))
lstm(packed(ones(3, 2, 4)), ones(2, 2, 5))
lstm(packed(ones(3, 2, 4)), ones(1, 2, 5))
lstm(packed(ones(3, 2, 4)), ones(2, 2, 2, 5))
lstm(packed(ones(3, 2, 4)), [ones(2, 2, 5)])
"""

MODULE = """
lstm.load_state_dict()
lstm.load_state_dict(None)
lstm.load_state_dict(5)
lstm.load_state_dict([])
lstm.load_state_dict([('a', 1)])
lstm.load_state_dict('abc')
lstm.load_state_dict(lstm)
lstm.load_state_dict(cell)
lstm.load_state_dict(tagger)
lstm.load_state_dict(LSTM)
lstm.load_state_dict('model.pt')
lstm.load_state_dict(b'model.pt')
lstm.load_state_dict(bytearray(b'model.pt'))
lstm.load_state_dict(list(state().items()))
lstm.load_state_dict(state().items())
lstm.load_state_dict(state().values())
lstm.load_state_dict({'model': state()})
lstm.load_state_dict({'epoch': 3, 'state_dict': state()})
lstm.load_state_dict({'lstm': lstm})
lstm.load_state_dict({})
cell.load_state_dict({})
tagger.load_state_dict({})
lstm.load_state_dict({}, assign=True)
lstm.load_state_dict({'a': ones(1)})
lstm.load_state_dict({1: ones(1)})
lstm.load_state_dict(without('weight_hh_l1'))
lstm.load_state_dict(without('bias_ih_l0', 'bias_hh_l0'))
lstm.load_state_dict(state(a=ones(1)))
lstm.load_state_dict(state(a=ones(1), b=ones(2)))
lstm.load_state_dict(state(**{'sub.weight': ones(1)}))
lstm.load_state_dict(state(**{'': ones(1)}))
lstm.load_state_dict({'lstm.' + k: v for k, v in state().items()})
lstm.load_state_dict(state(bias_ih_l0=ones(5)))
lstm.load_state_dict(state(bias_ih_l0=ones(5)), strict=False)
lstm.load_state_dict(state(bias_ih_l0=ones(5)), assign=True)
lstm.load_state_dict(state(bias_ih_l0=ones(20, 1)))
lstm.load_state_dict(state(bias_ih_l0=ones(1, 20)))
lstm.load_state_dict(state(bias_ih_l0=array(1.0)))
lstm.load_state_dict(state(bias_ih_l0=ones(0)))
lstm.load_state_dict(state(weight_ih_l0=ones(4, 20)))
lstm.load_state_dict(state(weight_ih_l0=ones(80)))
lstm.load_state_dict(state(weight_ih_l0=ones(4, 20), bias_hh_l1=ones(2)))
lstm.load_state_dict(state(weight_ih_l0=ones(4, 20), a=ones(2)))
lstm.load_state_dict({'bias_ih_l0': ones(5), 'z': 1, 'y': 2})
lstm.load_state_dict({'bias_ih_l0': ones(5), 'z': 1, 'y': 2}, False)
lstm.load_state_dict(state(bias_ih_l0=None))
lstm.load_state_dict(state(bias_ih_l0='abc'))
lstm.load_state_dict(state(bias_ih_l0=5))
lstm.load_state_dict(state(bias_ih_l0=2.5))
lstm.load_state_dict(state(bias_ih_l0=True))
lstm.load_state_dict(state(bias_ih_l0={}))
lstm.load_state_dict(state(bias_ih_l0=object()))
lstm.load_state_dict(state(bias_ih_l0=b'abc'), strict=False)
lstm.load_state_dict(state(bias_ih_l0=set()))
lstm.load_state_dict(state(), foo=1)
lstm.load_state_dict(state(), True, False, 1)
bare.load_state_dict(state())
two_way.load_state_dict(state())
projected.load_state_dict(state())
LSTM(4, 6, 2).load_state_dict(state())
LSTM(4, 5, 3).load_state_dict(state())
LSTM(4, 5, 1).load_state_dict(state())
cell.load_state_dict(state())
lstm.load_state_dict(cell.state_dict())
LSTMCell(4, 6).load_state_dict(cell.state_dict())
LSTMCell(4, 5, bias=False).load_state_dict(cell.state_dict())
cell.load_state_dict(LSTMCell(4, 5, bias=False).state_dict())
cell.load_state_dict({'weight_ih': ones(20, 4)})
tagger.load_state_dict(state())
tagger.load_state_dict({**tagger.state_dict(), 'lstm.a': ones(1)})
tagger.load_state_dict({**tagger.state_dict(), 'lstm.a.b': ones(1)})
tagger.load_state_dict({**tagger.state_dict(), 'other.a': ones(1)})
tagger.load_state_dict({**tagger.state_dict(), 'lstm.bias_ih_l0': ones(3)})
tagger.load_state_dict({**tagger.state_dict(), 'mean': ones(3)})
tagger.load_state_dict({**tagger.state_dict(), 'mean': 'abc'})
lstm.state_dict(foo=1)
lstm.state_dict(destination=[])
lstm.train(1)
lstm.train(0)
lstm.train(None)
lstm.train('True')
lstm.train(ones(1))
lstm.train(mode=1.0)
lstm.train(True, False)
cell.train(1)
tagger.train(1)
lstm.eval(1)
lstm.eval(True)
lstm.to(int64)
lstm.to(int32)
lstm.to(uint8)
lstm.to(dtype=int64)
lstm.to('cpu', int64)
lstm.to(bool_)
lstm.to([])
lstm.to({})
lstm.to(foo=1)
lstm.to(object())
lstm.to(cast(ones(1), int64))
cell.to(int64)
tagger.to(int64)
lstm.type()
lstm.type('abc')
lstm.type(int64)
lstm.type('torch.LongTensor')
lstm.type(5)
lstm.float(1)
lstm.double(1)
lstm.cpu(1)
lstm.requires_grad_(1)
lstm.requires_grad_('x')
lstm.requires_grad_(None)
lstm.requires_grad_(True, True)
lstm.zero_grad(1, 2)
lstm.zero_grad(foo=1)
lstm.apply()
lstm.apply(None)
lstm.apply(5)
lstm.apply(lambda: None)
lstm.reset_parameters(1)
lstm.nope
lstm.weight_ih_l9
lstm.weight_hr_l0
lstm.weight_ih
bare.bias_ih_l0
cell.weight_ih_l0
cell.nope
tagger.nope
Module().nope
del_(lstm, 'nope')
lstm.get_parameter()
lstm.get_parameter('nope')
lstm.get_parameter('')
lstm.get_parameter('weight_ih_l9')
lstm.get_parameter('input_size')
lstm.get_parameter('a.b')
lstm.get_parameter('.')
lstm.get_parameter('weight_ih_l0.x')
lstm.get_parameter(None)
lstm.get_parameter(5)
tagger.get_parameter('lstm')
tagger.get_parameter('mean')
tagger.get_parameter('lstm.nope')
tagger.get_parameter('other.weight_ih_l0')
lstm.get_submodule('nope')
lstm.get_submodule('weight_ih_l0')
lstm.get_submodule('input_size')
tagger.get_submodule('lstm.nope')
tagger.get_submodule('lstm.x.y')
tagger.get_submodule('mean')
lstm.get_submodule()
lstm.get_submodule(5)
lstm.get_buffer('nope')
lstm.get_buffer('weight_ih_l0')
tagger.get_buffer('lstm')
tagger.get_buffer('weight')
lstm.parameters(1, 2)
next(lstm.parameters(foo=1))
next(lstm.buffers())
list(lstm.named_parameters('', True, True, True))
list(lstm.named_parameters(foo=1))
lstm.register_forward_hook()
lstm.register_forward_hook(None)(1)
lstm.register_forward_hook(print, True)
lstm.register_forward_hook(print, foo=True)
lstm.register_forward_pre_hook()
lstm.register_forward_pre_hook(print, True)
lstm.register_forward_pre_hook(print, always_call=True)
hooked(lambda m: None)
hooked(lambda m, a: None)
hooked(5)
hooked(lambda m, a, o: 1 / 0)
hooked(lambda m, a, o: None, with_kwargs=True)
hooked(lambda m, a, k, o, x: None, with_kwargs=True)
pre_hooked(lambda m: None)
pre_hooked(lambda m, a, k: None)
pre_hooked(5)
pre_hooked(lambda m, a: 1 / 0)
pre_hooked(lambda m, a: ())
pre_hooked(lambda m, a: (a[0], None, None))
pre_hooked(lambda m, a: ones(4))
pre_hooked(lambda m, a: (ones(3, 2, 3),))
pre_hooked(lambda m, a, k: 5, with_kwargs=True)
pre_hooked(lambda m, a, k: (a, {'foo': 1}), with_kwargs=True)
pre_hooked(lambda m, a: None, with_kwargs=True)
lstm.register_parameter('a.b', None)
lstm.register_parameter('', None)
lstm.register_parameter('forward', None)
lstm.register_parameter('training', None)
lstm.register_parameter('input_size', None)
lstm.register_parameter(5, None)
lstm.register_parameter(None, None)
lstm.register_parameter('a', 5)
lstm.register_parameter('a', 'abc')
lstm.register_parameter('a')
lstm.register_buffer('a.b', None)
lstm.register_buffer('', None)
lstm.register_buffer('forward', None)
lstm.register_buffer('weight_ih_l0', None)
lstm.register_buffer(5, None)
lstm.register_buffer('a', 5)
lstm.register_buffer('a', 'abc')
tagger.register_buffer('lstm', None)
tagger.register_parameter('lstm', None)
tagger.register_parameter('mean', None)
lstm.add_module('a', 5)
lstm.add_module('a', ones(2))
lstm.add_module('a', LSTM)
lstm.add_module('a.b', None)
lstm.add_module('', None)
lstm.add_module('forward', None)
lstm.add_module('weight_ih_l0', None)
lstm.add_module(5, None)
lstm.add_module('a')
lstm.register_module('a', 5)
tagger.add_module('mean', None)
set_(lstm, 'weight_ih_l0', 5)
set_(lstm, 'weight_ih_l0', 'abc')
set_(lstm, 'weight_ih_l0', {})
set_(lstm, 'weight_ih_l0', object())
set_(cell, 'bias_ih', 5)
set_(tagger, 'lstm', 5)
set_(tagger, 'lstm', ones(2))
set_(tagger, 'mean', 5)
set_(tagger, 'mean', 'abc')
set_(tagger, 'weight', 5)
set_(tagger, 'weight', 'abc')
Module(1)
Module(foo=1)
Module()()
Module().forward(1)
Unready()
set_(Module.__new__(Module), 'x', lstm)
Module.__new__(Module).register_parameter('a', None)
Module.__new__(Module).register_buffer('a', None)
"""
SAME = [call for group in (CONSTRUCTORS, FORWARD, MODULE) for call in group.strip().splitlines()]


@pytest.mark.parametrize("call", SAME)
def test_the_error_is_that_of_torch(call):
    theirs, ours = outcomes(call)
    assert theirs is not None, "torch takes it"
    assert type(ours) is type(theirs), f"torch: {theirs!r}\npylstm: {ours!r}"
    assert core_of(theirs) in normalised(ours)


def test_there_are_many_calls_and_none_twice():
    assert len(SAME) >= 400
    listed = SAME + [call for call, *_ in DIFFERENT + CLEARER]
    assert len(listed) == len(set(listed))


# ---------------------------------------------------------------------------- on purpose

# The difference, by its row in the migration page; pylstm's exception, None where the call is
# taken; a part of its text.
DIFFERENT_BY_ROW = {
    Row.INPUTS: [
        ("lstm(cast(ones(3, 2, 4), int64))", None, ""),
        ("lstm(cast(ones(3, 2, 4), float64))", None, ""),
        ("lstm(cast(ones(3, 2, 4), float16))", None, ""),
        ("lstm(ones(3, 2, 4), (ones(2, 2, 5), cast(ones(2, 2, 5), float64)))", None, ""),
        ("lstm(ones(3, 2, 4), [cast(ones(2, 2, 5), int64)] * 2)", None, ""),
        ("cell(cast(ones(2, 4), int64))", None, ""),
        ("cell(cast(ones(2, 4), float64))", None, ""),
        ("cell(ones(2, 4), (cast(ones(2, 5), float64), ones(2, 5)))", None, ""),
    ],
    Row.ARRAYS: [
        ("lstm([[1.0, 2.0, 3.0, 4.0]])", None, ""),
        ("cell([1, 2, 3, 4])", None, ""),
        ("lstm.load_state_dict({k: v.tolist() for k, v in state().items()})", None, ""),
    ],
    Row.SIZES: [
        ("LSTM(np.int64(2), 3)", None, ""),
        ("LSTM(2, np.uint8(3))", None, ""),
    ],
    Row.STRUCTURE: [
        ("set_(lstm, 'input_size', 7)", AttributeError, "'input_size' cannot be changed"),
        ("set_(lstm, 'hidden_size', 7)", AttributeError, "'hidden_size' cannot be changed"),
        ("set_(lstm, 'num_layers', 1)", AttributeError, "'num_layers' cannot be changed"),
        ("set_(lstm, 'bias', False)", AttributeError, "'bias' cannot be changed"),
        ("set_(lstm, 'bidirectional', True)", AttributeError, "'bidirectional' cannot be"),
        ("set_(lstm, 'proj_size', 2)", AttributeError, "'proj_size' cannot be changed"),
        ("set_(lstm, 'mode', 'GRU')", AttributeError, "'mode' cannot be changed"),
        ("set_(cell, 'hidden_size', 7)", AttributeError, "'hidden_size' cannot be changed"),
        ("del_(lstm, 'num_layers')", AttributeError, "'num_layers' cannot be deleted"),
    ],
    Row.PARAMETERS: [
        ("del_(lstm, 'weight_ih_l0')", AttributeError, "'weight_ih_l0' cannot be deleted"),
        ("set_(lstm, 'bias_ih_l0', ones(20))", None, ""),
        ("set_(lstm, 'bias_ih_l0', None)", TypeError, "cannot assign 'NoneType' as parameter"),
        ("set_(cell, 'bias_ih', parameter(ones(7)))", ValueError, "its shape is (20,) for good"),
    ],
    Row.PACKED: [
        ("lstm(packed(ones(3, 2, 3)))", RuntimeError, "input.size(-1) must be equal to input_size"),
        ("lstm(packed(ones(3, 2)))", RuntimeError, "input must have 2 dimensions, got 1"),
        ("lstm(packed(ones(3, 2, 4, 1)))", RuntimeError, "input must have 2 dimensions, got 3"),
        (
            "lstm(packed(ones(3, 2, 4)), (ones(2, 3, 5), ones(2, 3, 5)))",
            RuntimeError,
            "Expected hidden[0] size (2, 2, 5), got [2, 3, 5]",
        ),
        (
            "lstm(packed(ones(3, 2, 4)), (ones(2, 2, 5), ones(2, 2, 6)))",
            RuntimeError,
            "Expected hidden[1] size (2, 2, 5), got [2, 2, 6]",
        ),
        (
            "lstm(packed(ones(3, 2, 4)), (ones(2, 5), ones(2, 5)))",
            RuntimeError,
            "hx and cx should also be 3-D but got (2-D, 2-D)",
        ),
        (
            "lstm(packed(ones(3, 2, 4)), (ones(1, 2, 5), ones(1, 2, 5)))",
            RuntimeError,
            "Expected hidden[0] size (2, 2, 5), got [1, 2, 5]",
        ),
        ("lstm(packed(cast(ones(3, 2, 4), complex64)))", TypeError, "must hold real numbers"),
    ],
    Row.LENGTHS: [
        ("packed(ones(3, 2, 4), 9, 2)", RuntimeError, "length"),
        ("lstm(packed(ones(3, 2, 4), 4, 3))", RuntimeError, "length"),
    ],
    Row.TEXTS: [
        ("LSTM(2, 3, mode='LSTM')", TypeError, "unexpected keyword argument 'mode'"),
        ("LSTM(2, 3, 1, True, False, 0.0, False, 0, None, None, 1)", TypeError, "positional"),
        ("lstm.flatten_parameters(1)", TypeError, "takes no arguments (1 given)"),
        ("lstm.to('cpu', float32, False, False, False)", TypeError, "got (str, "),
    ],
    Row.DEVICES: [
        ("LSTM(2, 3, device='cuda')", RuntimeError, "device 'cuda' is not offered"),
        ("LSTM(2, 3, device='mps')", RuntimeError, "device 'mps' is not offered"),
        ("LSTM(2, 3, device='meta')", RuntimeError, "device 'meta' is not offered"),
        ("LSTM(2, 3, device='abc')", RuntimeError, "device 'abc' is not offered"),
        ("LSTM(2, 3, device='')", RuntimeError, "device '' is not offered"),
        ("LSTM(2, 3, device=1.5)", TypeError, "device must be None or 'cpu', not float"),
        ("LSTM(2, 3, device=[])", TypeError, "device must be None or 'cpu', not list"),
        ("LSTMCell(2, 3, device='cuda:1')", RuntimeError, "device 'cuda:1' is not offered"),
        ("lstm.cuda()", RuntimeError, "device 'cuda' is not offered"),
        ("lstm.to('cuda')", RuntimeError, "device 'cuda' is not offered"),
        ("lstm.to(device='cuda:0')", RuntimeError, "device 'cuda:0' is not offered"),
        ("lstm.to(device='abc')", RuntimeError, "device 'abc' is not offered"),
        ("lstm.to('abc')", RuntimeError, "Invalid device string: 'abc'"),
    ],
    Row.DTYPES: [
        ("LSTM(2, 3, dtype=float16)", TypeError, "dtype float16 is not offered"),
        ("LSTM(2, 3, dtype=complex64)", TypeError, "dtype complex64 is not offered"),
        ("LSTM(2, 3, dtype='double')", None, ""),
        ("LSTM(2, 3, dtype='abc')", TypeError, "dtype must be a dtype, not str"),
        ("LSTM(2, 3, dtype=5)", TypeError, "dtype must be a dtype, not int"),
        ("LSTMCell(2, 3, dtype=float16)", TypeError, "dtype float16 is not offered"),
        ("lstm.to(float16)", TypeError, "dtype float16 is not offered"),
        ("lstm.to(complex64)", TypeError, "dtype complex64 is not offered"),
        ("lstm.to('double')", None, ""),
        ("lstm.half()", TypeError, "half() is not offered"),
        ("lstm.bfloat16()", TypeError, "bfloat16() is not offered"),
    ],
    Row.MEMORY: [
        ("LSTM(2**62, 3)", MemoryError, "do not fit into memory"),
        ("LSTM(2, 2**62)", MemoryError, "do not fit into memory"),
        ("LSTM(2**40, 2**20)", MemoryError, "do not fit into memory"),
        ("LSTM(2**64, 3)", MemoryError, "do not fit into memory"),
        ("LSTMCell(2**62, 3)", MemoryError, "do not fit into memory"),
    ],
    Row.STATES: [
        (
            "lstm(ones(3, 4), (ones(2, 5), ones(2, 5), ones(2, 5)))",
            RuntimeError,
            "lstm expects two hidden states",
        ),
        ("lstm(ones(3, 4), ones(3, 2, 5))", RuntimeError, "lstm expects two hidden states"),
        ("cell(ones(4), (ones(5),) * 3)", RuntimeError, "lstm_cell expects two hidden states"),
        ("cell(ones(4), ones(3, 5))", RuntimeError, "lstm_cell expects two hidden states"),
        ("cell(ones(4), ())", RuntimeError, "lstm_cell expects two hidden states"),
        ("cell(ones(4), (ones(5),))", RuntimeError, "lstm_cell expects two hidden states"),
        ("cell(ones(2, 4), (ones(5), ones(5)))", RuntimeError, "input is 2-D but hx[0] is 1-D"),
        ("cell(ones(2, 4), (ones(2, 5), ones(5)))", RuntimeError, "input is 2-D but hx[1] is 1-D"),
        ("cell(ones(2, 4), (ones(5), ones(2, 5)))", RuntimeError, "input is 2-D but hx[0] is 1-D"),
        ("cell(ones(4), (ones(1, 5), ones(1, 5)))", RuntimeError, "input is 1-D but hx[0] is 2-D"),
        ("cell(ones(4), (ones(5), ones(1, 5)))", RuntimeError, "input is 1-D but hx[1] is 2-D"),
        ("cell(ones(2, 4), ones(1, 5))", IndexError, "hx is a pair (h_0, c_0)"),
    ],
}  # fmt: skip

DIFFERENT = [(*entry, row) for row, entries in DIFFERENT_BY_ROW.items() for entry in entries]


@pytest.mark.parametrize(
    ("call", "kind", "text", "row"),
    DIFFERENT,
    ids=[f"{row}: {call}" for call, _, _, row in DIFFERENT],
)
def test_the_difference_is_listed(call, kind, text, row):
    theirs, ours = outcomes(call)
    check(ours, kind, text)
    assert not agree(theirs, ours), "no difference: it belongs to the other calls"


def test_every_row_is_on_the_migration_page():
    check_rows({row for *_, row in DIFFERENT})


# ---------------------------------------------------------------------------- clearer than torch

# Where torch fails in its depths, or lets a mistake pass: the text names the argument.
CLEARER = [
    ("LSTM(2, 3, proj_size=1.0)", TypeError, "proj_size should be of type int, got: float"),
    ("LSTM(2, 3, proj_size=0.5)", TypeError, "proj_size should be of type int, got: float"),
    ("LSTM(2, 3, proj_size=True)", TypeError, "proj_size should be of type int, got: bool"),
    ("LSTMCell(2.0, 3)", TypeError, "input_size should be of type int, got: float"),
    ("LSTMCell('a', 3)", TypeError, "input_size should be of type int, got: str"),
    ("LSTMCell(None, 3)", TypeError, "input_size should be of type int, got: NoneType"),
    ("LSTMCell(2, 3.0)", TypeError, "hidden_size should be of type int, got: float"),
    ("LSTMCell(2, 'a')", TypeError, "hidden_size should be of type int, got: str"),
    ("LSTMCell(2, None)", TypeError, "hidden_size should be of type int, got: NoneType"),
    ("lstm(None)", TypeError, "input must be an array"),
    ("lstm(3)", ValueError, "LSTM: Expected input to be 2D or 3D, got 0D instead"),
    ("lstm('abc')", TypeError, "input must be an array"),
    ("lstm({})", TypeError, "input must be an array"),
    ("lstm(object())", TypeError, "input must be an array"),
    ("lstm([[1.0]])", RuntimeError, "input.size(-1) must be equal to input_size. Expected 4"),
    ("lstm([[1.0, 2.0], [3.0]])", ValueError, "input must be an array"),
    ("lstm((ones(3, 2, 4), (ones(2, 2, 5), ones(2, 2, 5))))", ValueError, "input must be an array"),
    ("lstm(cast(ones(3, 2, 4), bool_))", TypeError, "input must hold real numbers, got dtype bool"),
    ("lstm(cast(ones(3, 2, 4), complex64))", TypeError, "input must hold real numbers"),
    ("lstm(ones(3, 2, 4), (None, None))", TypeError, "hx[0] is None"),
    ("lstm(ones(3, 2, 4), (ones(2, 2, 5), None))", TypeError, "hx[1] is None"),
    ("lstm(ones(3, 2, 4), (None, ones(2, 2, 5)))", TypeError, "hx[0] is None"),
    (
        "lstm(ones(3, 2, 4), (ones(3, 2, 5), (ones(2, 2, 5), ones(2, 2, 5))))",
        RuntimeError,
        "hx[1] is a tuple or list of arrays",
    ),
    (
        "lstm(ones(3, 2, 4), ((ones(2, 2, 5), ones(2, 2, 5)),))",
        IndexError,
        "hx[0] is a tuple or list of arrays",
    ),
    (
        "lstm(packed(ones(3, 2, 4)), ((ones(2, 2, 5), ones(2, 2, 5)),))",
        TypeError,
        "hx[0] is a tuple or list of arrays",
    ),
    (
        "lstm(packed(ones(3, 2, 4)), (ones(2, 2, 5), None))",
        TypeError,
        "hx[1] is None: one array was given",
    ),
    (
        "cell(ones(2, 4), (ones(2, 5), (ones(2, 5), ones(2, 5))))",
        ValueError,
        "hx[1] is a tuple or list of arrays",
    ),
    ("lstm(ones(3, 2, 4), 5)", TypeError, "hx must be a tuple or list"),
    ("lstm(ones(3, 2, 4), False)", TypeError, "hx must be a tuple or list"),
    ("lstm(ones(3, 2, 4), 'ab')", TypeError, "hx must be a tuple or list"),
    ("lstm(ones(3, 2, 4), {})", TypeError, "hx must be a tuple or list"),
    ("lstm(ones(3, 2, 4), (x for x in ()))", TypeError, "hx must be a tuple or list"),
    ("lstm(ones(3, 2, 4), array(1.0))", TypeError, "hx must be a tuple or list"),
    ("lstm(ones(3, 2, 4), (1, 2))", RuntimeError, "hx and cx should also be 3-D but got (0-D, 0-D)"),
    ("lstm(ones(3, 2, 4), ('a', 'b'))", TypeError, "hx[0] must be an array"),
    (
        "lstm(ones(3, 2, 4), (cast(ones(2, 2, 5), complex64), ones(2, 2, 5)))",
        TypeError,
        "hx[0] must hold real numbers, got dtype complex64",
    ),
    (
        "lstm(ones(3, 2, 4), (ones(2, 2, 5), cast(ones(2, 2, 5), bool_)))",
        TypeError,
        "hx[1] must hold real numbers, got dtype bool",
    ),
    (
        "lstm(ones(3, 2, 4), (ones(2, 2, 5), np.full((2, 2, 5), None)))",
        TypeError,
        "hx[1] must hold real numbers, got dtype object",
    ),
    ("cell(None)", TypeError, "input must be an array"),
    ("cell(3)", ValueError, "LSTMCell: Expected input to be 1D or 2D, got 0D instead"),
    ("cell('abc')", TypeError, "input must be an array"),
    ("cell({})", TypeError, "input must be an array"),
    ("cell(packed(ones(3, 2, 4)))", ValueError, "input must be an array"),
    ("cell((ones(2, 4), (ones(2, 5), ones(2, 5))))", ValueError, "input must be an array"),
    ("cell(cast(ones(2, 4), bool_))", TypeError, "input must hold real numbers, got dtype bool"),
    ("cell(cast(ones(2, 4), complex64))", TypeError, "input must hold real numbers"),
    ("cell(ones(2, 4), (None, None))", TypeError, "hx[0] is None"),
    ("cell(ones(2, 4), (ones(2, 5), None))", TypeError, "hx[1] is None"),
    ("cell(ones(2, 4), 5)", TypeError, "hx must be a tuple or list"),
    ("cell(ones(2, 4), 'ab')", TypeError, "hx must be a tuple or list"),
    ("cell(ones(2, 4), {})", TypeError, "hx must be a tuple or list"),
    ("cell(ones(2, 4), False)", TypeError, "hx must be a tuple or list"),
    ("cell(ones(2, 4), array(1.0))", TypeError, "hx must be a tuple or list"),
    ("cell(ones(2, 4), (1, 2))", ValueError, "Expected hx[0] to be 1D or 2D, got 0D instead"),
    ("cell(ones(2, 4), ('a', 'b'))", TypeError, "hx[0] must be an array"),
    (
        "cell(ones(2, 4), (cast(ones(2, 5), complex64), ones(2, 5)))",
        TypeError,
        "hx[0] must hold real numbers, got dtype complex64",
    ),
    (
        "cell(ones(2, 4), (ones(2, 5), cast(ones(2, 5), bool_)))",
        TypeError,
        "hx[1] must hold real numbers, got dtype bool",
    ),
    (
        "lstm.load_state_dict(state(bias_ih_l0=cast(ones(20), complex64)))",
        RuntimeError,
        "bias_ih_l0 must hold real numbers, got dtype complex64",
    ),
    (
        "lstm.load_state_dict(state(bias_ih_l0=cast(ones(20), bool_)))",
        RuntimeError,
        "bias_ih_l0 must hold real numbers, got dtype bool",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), CLEARER, ids=[call for call, *_ in CLEARER])
def test_the_text_is_clearer_than_that_of_torch(call, kind, text):
    theirs, ours = outcomes(call)
    check(ours, kind, text)
    assert not agree(theirs, ours), "as clear as torch: it belongs to the other calls"
